"""The code of Jina's own documentation, unchanged, as plain objects: `seeds/` has its blocks
as files."""

import asyncio
import contextlib
import importlib.util
import inspect
import io
import time
import unittest
from pathlib import Path

import wasm_flow.shims  # noqa: F401
from wasm_flow import Document, DocumentArray
from wasm_flow.handler import handlers

SEEDS = Path(__file__).parent / 'seeds'


def module(name):
    """A file of the seeds, imported as a build imports it."""
    spec = importlib.util.spec_from_file_location(f'seed_{name}', SEEDS / f'{name}.py')
    made = importlib.util.module_from_spec(spec)
    with contextlib.redirect_stdout(io.StringIO()):
        spec.loader.exec_module(made)
    return made


def call(executor, endpoint, docs=None, **arguments):
    """Calls what is bound to an endpoint, as a request does, and gives what it printed."""
    found = {on: handler for handler in handlers(type(executor)) for on in handler.endpoints}
    handler = found.get(endpoint) or found['/default']
    given = {'docs': docs if docs is not None else DocumentArray(), 'parameters': {}, **arguments}
    wanted = {name: value for name, value in given.items() if handler.signature.wants(name)}
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        returned = handler.function(executor, **wanted)
        if inspect.isawaitable(returned):
            returned = asyncio.run(_awaited(returned))
    return told.getvalue(), returned


async def _awaited(returned):
    return await returned


class Seeds(unittest.TestCase):
    def test_async_encode(self):
        executor = module('async_encode').DummyAsyncExecutor()
        requests = [DocumentArray(Document(text='hello')) for _ in range(50)]

        async def main():
            await asyncio.gather(*(executor.encode(docs) for docs in requests))

        start = time.monotonic()
        asyncio.run(main())
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual({docs[0].text for docs in requests}, {'HELLO'})

    def test_blocking_encode(self):
        docs = DocumentArray(Document(text='hello'))
        call(module('blocking_encode').DummyExecutor(), '/', docs)
        self.assertEqual(docs.texts, ['HELLO'])

    def test_the_chains_four_lines(self):
        chain = module('chain')
        process, show = chain.ProcessDocuments(), chain.PrintDocuments()
        told = ''
        for endpoint, text in [
            ('/change_in_place', 'request1'),
            ('/return_different_docarray', 'request2'),
        ]:
            docs = DocumentArray(Document(text=text))
            printed, returned = call(process, endpoint, docs)
            told += printed + call(show, endpoint, docs if returned is None else returned)[0]
        self.assertEqual(
            told,
            ' ProcessDocuments: received document with text "request1"\n'
            ' PrintExecutor: received document with text: "I changed the executor in place"\n'
            ' ProcessDocuments: received document with text: "request2"\n'
            ' PrintExecutor: received document with text: "I returned a different Document"\n',
        )

    def test_request_executor(self):
        executor = module('request_executor').RequestExecutor()
        told = [call(executor, endpoint)[0] for endpoint in ('/index', '/other', '/search')]
        self.assertEqual(told, ['Calling foo\n', 'Calling bar\n', 'Calling foo\n'])

    def test_default_binding(self):
        executor = module('default_binding').MyExecutor()
        self.assertIn("'docs': <DocumentArray (length=0)", call(executor, '/blah')[0])
        self.assertEqual(call(executor, '/index')[0], 'Calling bar\n')

    def test_my_exec(self):
        executor = module('my_exec').MyExecutor(foo='a', bar=1, metas={'name': 'm'})
        self.assertEqual((executor.foo, executor.bar, executor.metas.name), ('a', 1, 'm'))
        with self.assertRaisesRegex(TypeError, "'foo' and 'bar'"):
            module('my_exec').MyExecutor()

    def test_arguments(self):
        executor = module('arguments').MyExecutor()
        docs = DocumentArray(Document())
        arguments = {'parameters': {'n': 1}, 'docs_matrix': [docs]}
        returned = call(executor, '/full', docs, **arguments)[1]
        self.assertEqual(returned, {'docs': 1, 'parameters': {'n': 1}, 'docs_matrix': [1]})
        told = [
            call(executor, on, docs, **arguments)[0]
            for on in ('/docs', '/docs_parameters', '/none')
        ]
        self.assertEqual(
            told,
            [
                "docs 1 ['docs_matrix', 'parameters']\n",
                "docs_parameters {'n': 1} ['docs_matrix']\n",
                "none ['docs', 'docs_matrix', 'parameters']\n",
            ],
        )

    def test_serve(self):
        docs = DocumentArray.empty(1)
        call(module('serve').MyExec(), '/foo', docs)
        self.assertEqual(docs.texts, ['executed MyExec'])

    def test_each_file_is_tested(self):
        tested = {name.removeprefix('test_') for name in dir(self) if name.startswith('test_')}
        for path in SEEDS.glob('*.py'):
            self.assertTrue(path.stem in tested or path.stem == 'chain', path.stem)


if __name__ == '__main__':
    unittest.main()
