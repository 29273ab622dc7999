"""HTTP without a host: requests, redirects and errors."""

import asyncio
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wasm_flow import http


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked."""

    def do_GET(self):
        body = b''
        length = self.headers.get('content-length')
        if length:
            body = self.rfile.read(int(length))
        if self.path.startswith('/to'):
            self.send_response(302 if self.command == 'GET' else 303)
            self.send_header('location', '/there' if self.path == '/to' else self.path)
            self.send_header('content-length', '0')
            self.end_headers()
            return
        told = {
            'method': self.command,
            'path': self.path,
            'body': body.decode(),
            'type': self.headers.get('content-type'),
            'own': self.headers.get('x-own'),
        }
        self.send_response(404 if self.path == '/missing' else 200)
        self.send_header('content-type', 'text/plain; charset=latin-1')
        self.send_header('x-twice', 'a')
        self.send_header('x-twice', 'b')
        answer = json.dumps(told).encode()
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        cls.url = f'http://127.0.0.1:{cls.server.server_port}'
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def told(self, asked):
        response = asyncio.run(asked)
        self.assertTrue(response.ok)
        return response.json()

    def test_what_is_sent(self):
        told = self.told(http.get(f'{self.url}/a?x=1', params={'q': 'a b'}, headers={'X-Own': 'v'}))
        self.assertEqual((told['path'], told['own']), ('/a?x=1&q=a+b', 'v'))
        told = self.told(http.post(self.url, json={'n': 1}))
        self.assertEqual((told['body'], told['type']), ('{"n": 1}', 'application/json'))
        told = self.told(http.put(self.url, data={'n': 1}))
        self.assertEqual((told['method'], told['body']), ('PUT', 'n=1'))
        self.assertEqual(self.told(http.delete(f'{self.url}/d'))['method'], 'DELETE')
        with self.assertRaisesRegex(TypeError, '`json` or `data`'):
            asyncio.run(http.post(self.url, json=1, data=b''))

    def test_what_comes_back(self):
        response = asyncio.run(http.get(f'{self.url}/missing'))
        self.assertEqual((response.status, response.ok), (404, False))
        self.assertEqual(response.headers['x-twice'], 'a, b')
        self.assertIn('"path": "/missing"', response.text)
        with self.assertRaisesRegex(http.HttpError, '/missing answered with the status 404') as got:
            response.raise_for_status()
        self.assertEqual((got.exception.kind, got.exception.status), ('Status', 404))

    def test_redirects(self):
        self.assertEqual(self.told(http.get(f'{self.url}/to'))['path'], '/there')
        told = self.told(http.post(f'{self.url}/to', json=1))
        self.assertEqual((told['method'], told['body'], told['type']), ('GET', '', None))
        with self.assertRaisesRegex(http.HttpError, 'redirects more than 10 times'):
            asyncio.run(http.get(f'{self.url}/to/itself'))

    def test_urls(self):
        for url in ('ftp://a', 'http://', 'nothing'):
            with self.assertRaisesRegex(http.HttpError, 'is not an http:// or https:// URL'):
                asyncio.run(http.get(url))
        with self.assertRaisesRegex(http.HttpError, '^http://a/ names a user') as got:
            asyncio.run(http.get('http://me:secret@a/?token=secret'))
        self.assertNotIn('secret', str(got.exception))

    def test_nobody_answers(self):
        with self.assertRaisesRegex(http.HttpError, 'cannot be reached'):
            asyncio.run(http.get('http://127.0.0.1:1/'))


if __name__ == '__main__':
    unittest.main()
