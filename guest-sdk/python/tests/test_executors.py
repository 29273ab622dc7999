"""Executor classes: their methods, their endpoints, and what they are constructed with."""

import asyncio
import contextlib
import io
import os
import tempfile
import unittest
import unittest.mock

from wasm_flow import Document, DocumentArray, Executor, requests, write
from wasm_flow.handler import each, handlers, unbound


class Bindings(unittest.TestCase):
    def endpoints(self, cls):
        return {handler.name: handler.endpoints for handler in handlers(cls)}

    def test_endpoints(self):
        class Some(Executor):
            @requests
            def other(self, **kwargs):
                pass

            @requests(on=['/index', '/search'])
            async def several(self, docs, *args):
                pass

            @requests(on='/one')
            @write
            def one(self, docs, parameters):
                pass

            def helper(self, docs):
                pass

            def close(self):
                pass

        expected = {'other': ['/default'], 'several': ['/index', '/search'], 'one': ['/one']}
        self.assertEqual(self.endpoints(Some), expected)
        found = {handler.name: handler for handler in handlers(Some)}
        self.assertTrue(found['several'].is_async)
        self.assertTrue(found['one'].writes)
        self.assertEqual(found['one'].signature.names, {'docs', 'parameters'})
        self.assertEqual([handler.name for handler in unbound(Some, Executor)], ['helper'])

    def test_inherited_and_overridden(self):
        class Base(Executor):
            @requests(on='/a')
            def a(self, docs):
                return 'base'

            @requests(on='/b')
            def b(self, docs):
                pass

        class Child(Base):
            def a(self, docs):
                return 'child'

            @requests(on='/b')
            def c(self, docs):
                pass

        self.assertEqual(self.endpoints(Child), {'a': ['/a'], 'b': [], 'c': ['/b']})
        self.assertEqual(handlers(Child)[0].function(None, None), 'child')

    def test_wrong_signatures_say_so_where_they_are(self):
        with self.assertRaisesRegex(
            TypeError, r'method .*foo asks for `documents`, which no request has'
        ):

            class One(Executor):
                @requests
                def foo(self, documents):
                    pass

        with self.assertRaisesRegex(TypeError, '`doc` and for `docs`'):

            class Two(Executor):
                @requests
                def foo(self, doc, docs):
                    pass

        with self.assertRaisesRegex(TypeError, 'has endpoints as texts, and not 5'):
            requests(on=[5])

    def test_documents_one_by_one(self):
        class One(Executor):
            @requests
            def foo(self, doc: Document, **kwargs) -> Document:
                if doc.text == 'new':
                    return Document(text='made')
                doc.text += '!'

        handler = handlers(One)[0]
        docs = DocumentArray([Document(text='a'), Document(text='b')])
        self.assertIs(each(handler)(One(), docs=docs), docs)
        self.assertEqual(docs.texts, ['a!', 'b!'])
        docs = DocumentArray([Document(text='a'), Document(text='new')])
        self.assertEqual(each(handler)(One(), docs=docs).texts, ['a!', 'made'])

    def test_generators_ask_for_a_document(self):
        class Stream(Executor):
            @requests(on='/ok')
            async def stream(self, doc, **kwargs):
                yield doc

        self.assertTrue(handlers(Stream)[0].is_stream)

        class Wrong(Executor):
            @requests
            def stream(self, docs):
                yield docs

        with self.assertRaisesRegex(TypeError, 'has to ask for `doc`'):
            handlers(Wrong)


class Constructed(unittest.TestCase):
    def test_what_a_class_has_in_its_body(self):
        seen = {}

        class Some(Executor):
            def __init__(self, foo: str, bar: int = 1, **kwargs):
                seen.update(
                    name=self.metas.name, requests=list(self.requests), args=self.runtime_args.name
                )
                super().__init__(**kwargs)
                self.foo, self.bar = foo, bar

            @requests(on='/a')
            def a(self, **kwargs):
                pass

        made = Some('x', metas={'name': 'm'}, runtime_args={'name': 'e/rep-0'})
        self.assertEqual(seen, {'name': 'm', 'requests': ['/a'], 'args': 'e/rep-0'})
        self.assertEqual((made.foo, made.bar, made.metas.description), ('x', 1, ''))

    def test_without_a_call_of_super(self):
        class Some(Executor):
            def __init__(self, **kwargs):
                self.a = 1

        self.assertEqual(Some(metas={'name': 'm'}).metas.name, 'm')
        self.assertEqual(Some().metas.name, 'Some')
        self.assertIsNone(Some().workspace)

    def test_the_workspace(self):
        with tempfile.TemporaryDirectory() as folder:
            made = Executor(workspace=f'{folder}/a/b')
            self.assertEqual(made.workspace, os.path.abspath(f'{folder}/a/b'))
            self.assertTrue(os.path.isdir(made.workspace))
            with unittest.mock.patch('os.makedirs', side_effect=FileNotFoundError('/')):
                self.assertEqual(Executor(metas={'workspace': folder}).workspace, folder)

    def test_methods_that_are_bound_anew(self):
        class Some(Executor):
            @requests(on='/a')
            def a(self, **kwargs):
                pass

            def b(self, docs):
                pass

        made = Some(requests={'/x': 'a', '/y': 'b'})
        self.assertEqual(
            {on: method.__name__ for on, method in made.requests.items()}, {'/x': 'a', '/y': 'b'}
        )
        with self.assertRaisesRegex(TypeError, 'no method `c` for /z'):
            Some(requests={'/z': 'c'})

    def test_what_jina_does_with_a_class(self):
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            Executor.serve(port=12345)
        self.assertIn('`wasm-flow serve` serves a component of Executor', told.getvalue())
        with self.assertRaisesRegex(NotImplementedError, 'jinahub://X: an executor cannot get'):
            Executor.from_hub(uri='jinahub://X', install_requirements=True)

    def test_as_a_plain_object(self):
        class Some(Executor):
            @requests
            async def foo(self, docs, **kwargs):
                await asyncio.sleep(0)
                for doc in docs:
                    doc.text = 'hello world'

        async def main():
            executor = Some()
            docs = DocumentArray([Document(text='test')])
            await asyncio.gather(executor.foo(docs), executor.foo(docs=docs))
            return docs[0].text

        self.assertEqual(asyncio.run(main()), 'hello world')


if __name__ == '__main__':
    unittest.main()
