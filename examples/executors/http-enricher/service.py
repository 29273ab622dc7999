"""A web service that knows how long a text is: python3 service.py [PORT]"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class About(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        text = parse_qs(url.query).get('text', [''])[0]
        known = url.path == '/about' and text
        body = json.dumps({'letters': len(text), 'words': len(text.split())}).encode()
        self.send_response(200 if known else 404)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == '__main__':
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 17080
    with ThreadingHTTPServer(('127.0.0.1', port), About) as server:
        print(f'http://127.0.0.1:{server.server_port}', flush=True)
        server.serve_forever()
