"""Documents that the host holds: what is fetched, and what is written back."""

import gc
import json
import unittest
import weakref
from collections import deque

from . import fake_host
from .fake_host import CALLS, LIVE, Content, doc

fake_host.install()

from wasm_flow import Document, DocumentArray, NamedScore  # noqa: E402
from wasm_flow import ndarrays as numbers  # noqa: E402
from wasm_flow.host.commit import build, is_whole, write_back  # noqa: E402
from wasm_flow.host.kept import LEAST_DEAD, MANY, Kept  # noqa: E402
from wasm_flow.host.source import Source  # noqa: E402


class HostTest(unittest.TestCase):
    """A request's documents, as a handler gets them."""

    def setUp(self):
        CALLS.clear()

    def received(self, *docs):
        self.host = fake_host.DocumentArray(list(docs))
        source = Source(self.host, len(docs))
        return DocumentArray._of(source), source

    def calls(self):
        """What was called since the last time."""
        calls = dict(CALLS)
        CALLS.clear()
        return calls


class Fetched(HostTest):
    def test_nothing_that_is_not_touched(self):
        docs, source = self.received(doc(text='a'), doc(text='b'))
        self.assertEqual(len(docs), 2)
        self.assertTrue(docs)
        self.assertEqual([one for one in docs], list(docs))
        write_back(docs, source)
        self.assertEqual(self.calls(), {})

    def test_a_column_at_once(self):
        docs, source = self.received(*(doc(text=f'{n}', tags=f'{{"n":{n}}}') for n in range(100)))
        self.assertEqual([one.text for one in docs], [str(n) for n in range(100)])
        self.assertEqual(self.calls(), {'strings TEXT': 1})
        self.assertEqual([one.tags for one in docs], [{'n': float(n)} for n in range(100)])
        self.assertEqual(self.calls(), {'json TAGS': 1})
        write_back(docs, source)
        self.assertEqual(self.calls(), {})

    def test_texts_without_documents(self):
        docs, source = self.received(doc(text='a'), doc(blob=b'b'))
        self.assertEqual(docs.texts, ['a', ''])
        self.assertEqual(docs[:, 'text'], ['a', ''])
        self.assertIsNone(docs._docs)
        self.assertEqual(self.calls(), {'strings TEXT': 1})

    def test_chunks_of_all_documents_at_once(self):
        docs, source = self.received(
            *(doc(text=f'{n}', chunks=[doc(text=f'{n}.{m}') for m in range(n)]) for n in range(4))
        )
        texts = [[chunk.text for chunk in one.chunks] for one in docs]
        self.assertEqual(texts, [[], ['1.0'], ['2.0', '2.1'], ['3.0', '3.1', '3.2']])
        self.assertEqual(docs['@c'].texts, ['1.0', '2.0', '2.1', '3.0', '3.1', '3.2'])
        calls = self.calls()
        self.assertEqual(
            {'nested_lengths': calls['nested_lengths'], 'flatten': calls['flatten']},
            {'nested_lengths': 1, 'flatten': 1},
        )
        write_back(docs, source)
        self.assertEqual(self.calls(), {})

    def test_embeddings_as_a_matrix(self):
        docs, source = self.received(
            *(doc(embedding=fake_host.dense(n, n + 0.5)) for n in range(3))
        )
        self.assertEqual(docs.embeddings.tolist(), [[0, 0.5], [1, 1.5], [2, 2.5]])
        self.assertEqual(docs.embeddings.dtype, 'float32')
        self.assertEqual(docs[1].embedding.tolist(), [1, 1.5])
        self.assertEqual(self.calls(), {'sizes': 1, 'matrix EMBEDDING': 1})
        write_back(docs, source)
        self.assertEqual(self.calls(), {})

    def test_arrays_of_several_kinds(self):
        docs, source = self.received(
            doc(embedding=fake_host.dense(1, 2)),
            doc(),
            doc(embedding=fake_host.dense(3, dtype='<i8')),
        )
        self.assertEqual(docs[0].embedding.tolist(), [1, 2])
        self.assertIsNone(docs[1].embedding)
        self.assertEqual(docs[2].embedding.dtype.str, '<i8')
        write_back(docs, source)
        self.assertNotIn('set_ndarrays EMBEDDING', self.calls())

    def test_a_sparse_array_says_so_and_passes_on(self):
        sparse = fake_host.Ndarray(fake_host.NdarrayData_Sparse(None), 'scipy', '')
        docs, source = self.received(doc(embedding=sparse))
        with self.assertRaisesRegex(NotImplementedError, 'sparse'):
            docs[0].embedding
        docs[0].text = 'x'
        write_back(docs, source)
        self.assertIs(self.host.docs[0].embedding, sparse)

    def test_what_is_too_much_is_fetched_one_by_one(self):
        docs, source = self.received(*(doc(text=f'{n}') for n in range(5)))
        fake_host.DocumentArray.LIMIT = 1
        try:
            self.assertEqual([one.text for one in docs], ['0', '1', '2', '3', '4'])
        finally:
            fake_host.DocumentArray.LIMIT = 1 << 30
        self.assertEqual(self.calls(), {'strings TEXT': 6})

    def test_large_blobs_one_by_one(self):
        docs, source = self.received(*(doc(blob=bytes([n]) * (3 << 20)) for n in range(3)))
        self.assertEqual([one.blob[0] for one in docs], [0, 1, 2])
        self.assertEqual(self.calls(), {'sizes': 1, 'blobs': 3})


class Written(HostTest):
    def committed(self, docs, source):
        write_back(docs, source)
        return self.host.docs

    def test_a_column_at_once(self):
        docs, source = self.received(*(doc(text=f't{n}') for n in range(100)))
        for one in docs:
            one.text = one.text.upper()
            one.weight = 2
        host = self.committed(docs, source)
        self.assertEqual([one.text for one in host], [f'T{n}' for n in range(100)])
        calls = self.calls()
        self.assertEqual(calls, {'strings TEXT': 1, 'set_strings TEXT': 1, 'set_floats WEIGHT': 1})

    def test_only_what_changed(self):
        docs, source = self.received(*(doc(text=f'{n}') for n in range(5)))
        docs[3].text = 'x'
        docs[1].tags['a'] = 1
        host = self.committed(docs, source)
        self.assertEqual([one.text for one in host], ['0', '1', '2', 'x', '4'])
        self.assertEqual([one.tags for one in host], ['', '{"a":1}', '', '', ''])

    def test_every_field(self):
        docs, source = self.received(doc(), doc(text='as it was'))
        one = docs[0]
        one.id, one.parent_id, one.uri = 'i', 'p', 'u.txt'
        one.modality, one.granularity, one.adjacency = 'm', 1, 2
        one.weight, one.offset, one.location = 1.5, 2.5, [1, 2]
        one.tags = {'a': [1, {'b': None}]}
        one._metadata = {'m': True}
        one.embedding = numbers.array([1, 2], 'f4')
        one.tensor = [[1, 2], [3, 4]]
        one.scores['s'] = NamedScore(value=0.1, op_name='o')
        one.evaluations = {'e': 2}
        one.chunks = [Document(text='c')]
        one.matches.append(Document(text='m'))
        host = self.committed(docs, source)[0]
        self.assertEqual(
            (host.id, host.parent_id, host.uri, host.mime_type), ('i', 'p', 'u.txt', 'text/plain')
        )
        self.assertEqual((host.modality, host.granularity, host.adjacency), ('m', 1, 2))
        self.assertEqual((host.weight, host.offset, host.location), (1.5, 2.5, [1.0, 2.0]))
        self.assertEqual(json.loads(host.tags), {'a': [1, {'b': None}]})
        self.assertEqual(json.loads(host.metadata), {'m': True})
        self.assertEqual(host.embedding.data.value.dtype, '<f4')
        self.assertEqual(host.embedding.cls_name, 'numpy')
        self.assertEqual((host.tensor.cls_name, host.tensor.data.value.shape), ('list', [2, 2]))
        self.assertEqual(host.content, Content.TENSOR)
        self.assertEqual([(name, score.op_name) for name, score in host.scores], [('s', 'o')])
        self.assertEqual(host.evaluations[0][1].value, 2.0)
        self.assertEqual(
            [(c.text, c.parent_id, c.granularity) for c in host.chunks], [('c', 'i', 2)]
        )
        self.assertEqual([(m.text, m.adjacency) for m in host.matches], [('m', 3)])
        self.assertEqual(self.host.docs[1].text, 'as it was')

    def test_changes_in_place(self):
        docs, source = self.received(
            doc(tags='{"a":1,"b":{"c":[1]}}', location=[1.0], embedding=fake_host.dense(1, 2)),
            doc(tags='{"a":1}', embedding=fake_host.dense(3, 4)),
        )
        one, other = docs
        one.tags['b']['c'].append(True)
        one.location.append(2)
        one.embedding[0] = 9
        other.tags['a']
        other.embedding.sum()
        host = self.committed(docs, source)
        self.assertEqual(host[0].tags, '{"a":1.0,"b":{"c":[1.0,true]}}')
        self.assertEqual(host[1].tags, '{"a":1}')
        self.assertEqual(host[0].location, [1.0, 2.0])
        self.assertEqual(
            numbers.frombuffer(host[0].embedding.data.value.buffer, '<f4').tolist(), [9, 2]
        )
        calls = self.calls()
        self.assertEqual(calls['set_ndarrays EMBEDDING'], 1)

    def test_true_is_not_one(self):
        docs, source = self.received(doc(tags='{"a":1}'))
        docs[0].tags['a'] = True
        self.assertEqual(self.committed(docs, source)[0].tags, '{"a":true}')

    def test_a_content_replaces_the_other(self):
        docs, source = self.received(doc(blob=b'b'), doc(text='t'), doc(text='t'), doc(text='t'))
        docs[0].text = 't'
        self.assertEqual((docs[0].blob, docs[0].content), (b'', 't'))
        docs[1].blob = b'b'
        self.assertEqual((docs[1].text, docs[1].content_type), ('', 'blob'))
        docs[2].content = None
        docs[3].blob = None
        host = self.committed(docs, source)
        contents = [Content.TEXT, Content.BLOB, Content.NONE, Content.TEXT]
        self.assertEqual([one.content for one in host], contents)

    def test_the_list(self):
        docs, source = self.received(*(doc(id=name, text=name) for name in 'abcde'))
        docs.append(Document(text='new'))
        del docs[1]
        docs.insert(0, Document(text='first'))
        docs[1].text = 'A'
        docs.pop(2)
        docs.append(docs[1])
        host = self.committed(docs, source)
        self.assertEqual([one.text for one in host], ['first', 'A', 'd', 'e', 'new', 'A'])
        self.assertEqual([one.id for one in host][1:4], ['a', 'd', 'e'])

    def test_sorted_and_turned_around(self):
        docs, source = self.received(*(doc(text=name) for name in 'bca'))
        docs.sort(key=lambda one: one.text)
        docs.reverse()
        self.assertEqual([one.text for one in self.committed(docs, source)], ['c', 'b', 'a'])
        self.assertEqual(self.calls(), {'strings TEXT': 1, 'select': 1, 'arrange': 1})

    def test_emptied(self):
        docs, source = self.received(doc(), doc())
        docs.clear()
        self.assertEqual(self.committed(docs, source), [])

    def test_chunks_in_place(self):
        docs, source = self.received(
            doc(chunks=[doc(text='a'), doc(text='b', chunks=[doc(text='bb')])]),
            doc(chunks=[doc(text='c')]),
        )
        for one in docs:
            for chunk in one.chunks:
                chunk.text = chunk.text.upper()
                for deep in chunk.chunks:
                    deep.text = 'deep'
        host = self.committed(docs, source)
        self.assertEqual([[c.text for c in one.chunks] for one in host], [['A', 'B'], ['C']])
        self.assertEqual(host[0].chunks[1].chunks[0].text, 'deep')
        calls = self.calls()
        self.assertEqual(calls['set_strings TEXT'], 2)
        self.assertNotIn('set_nested', calls)

    def test_chunks_as_a_list(self):
        docs, source = self.received(doc(id='p', chunks=[doc(text='a'), doc(text='b')]))
        docs[0].chunks.append(Document(text='new', chunks=[Document(text='below')]))
        del docs[0].chunks[0]
        docs[0].chunks[0].text = 'B'
        host = self.committed(docs, source)[0]
        self.assertEqual([chunk.text for chunk in host.chunks], ['B', 'new'])
        new = host.chunks[1]
        self.assertEqual((new.parent_id, new.granularity, new.chunks[0].granularity), ('p', 1, 2))

    def test_the_same_documents_again_are_in_place(self):
        docs, source = self.received(doc(text='a'), doc(text='b'))
        again = DocumentArray(docs)
        again[0].text = 'A'
        self.assertTrue(is_whole(again, source))
        write_back(again, source)
        self.assertEqual([one.text for one in self.host.docs], ['A', 'b'])
        self.assertFalse(is_whole(docs[1:], source))

    def test_a_document_that_came_without_an_id(self):
        docs, source = self.received(doc(), doc())
        self.host.docs[0].id = self.host.docs[1].id = ''
        id = docs[0].id
        self.assertRegex(id, '^[0-9a-f]{32}$')
        self.assertEqual([one.id for one in self.committed(docs, source)], [id, ''])


class Built(HostTest):
    def test_of_new_documents_and_of_the_requests(self):
        docs, source = self.received(doc(id='a', text='a', tags='{"n":1}'), doc(id='b', text='b'))
        docs[1].text = 'B'
        made = build([docs[1], Document(text='new', n=2), docs[0], docs[0]])
        self.assertEqual([one.text for one in made.docs], ['B', 'new', 'a', 'a'])
        self.assertEqual([one.tags for one in made.docs], ['', '{"n":2}', '{"n":1}', '{"n":1}'])
        self.assertEqual([one.id for one in made.docs][2:], ['a', 'a'])
        # The request's own are as they were.
        self.assertEqual(self.host.docs[1].text, 'b')

    def test_a_document_twice_with_changes(self):
        docs, source = self.received(doc(text='a'))
        docs[0].text = 'A'
        self.assertEqual([one.text for one in build([docs[0], docs[0]]).docs], ['A', 'A'])

    def test_the_id_that_was_read_stays(self):
        read = Document()
        id = read.id
        self.assertEqual(build([Document(), read]).docs[1].id, id)
        self.assertEqual(read.id, id)

    def test_matches_of_other_requests(self):
        kept, _ = self.received(doc(id='k', text='kept', embedding=fake_host.dense(1, 0)))
        index = DocumentArray(kept)
        docs, source = self.received(doc(id='q', embedding=fake_host.dense(1, 0)))
        docs.match(index)
        write_back(docs, source)
        match = self.host.docs[0].matches[0]
        self.assertEqual((match.id, match.text, match.adjacency), ('k', 'kept', 1))
        self.assertEqual(match.scores[0][0], 'cosine')

    def test_a_document_among_its_own_matches(self):
        docs, source = self.received(doc(text='a'))
        docs[0].matches = docs
        with self.assertRaisesRegex(ValueError, 'among its own chunks or matches'):
            write_back(docs, source)

    def test_what_json_cannot_express(self):
        docs, source = self.received(doc())
        docs[0].tags['a'] = object()
        with self.assertRaisesRegex(TypeError, '`tags` cannot hold a value of the type object'):
            write_back(docs, source)
        docs[0].tags['a'] = docs[0].tags
        with self.assertRaisesRegex(ValueError, '`tags` nests deeper than 32 levels'):
            write_back(docs, source)
        docs[0].tags['a'] = float('nan')
        with self.assertRaisesRegex(ValueError, '`tags` cannot hold nan'):
            write_back(docs, source)


class KeptDocuments(HostTest):
    def test_a_document_outlives_its_request(self):
        docs, source = self.received(doc(text='a'), doc(text='b', chunks=[doc(text='c')]))
        kept = docs[1]
        docs[1].tags['x'] = 1
        docs.pop(0)
        write_back(docs, source)
        self.assertEqual([one.text for one in self.host.docs], ['b'])
        del docs, source
        self.assertEqual((kept.text, kept.tags, kept.chunks.texts), ('b', {'x': 1}, ['c']))
        kept.text = 'later'
        self.assertEqual(build([kept]).docs[0].text, 'later')
        self.assertEqual(self.host.docs[0].text, 'b')

    def test_no_cycle_holds_a_handle(self):
        gc.collect()
        gc.disable()
        try:
            before = LIVE['arrays']
            docs, source = self.received(
                doc(text='a', chunks=[doc(text='c')], embedding=fake_host.dense(1))
            )
            for one in docs:
                one.text = one.text.upper() + one.chunks[0].text
                one.chunks.append(Document(text='d'))
                one.embedding[0] = 2
                one.tags['a'] = 1
                one.matches = [Document(one)]
            docs.append(Document(text='e'))
            write_back(docs, source)
            del docs, source, one, self.host
            self.assertEqual(LIVE['arrays'], before)
        finally:
            gc.enable()

    def test_many_requests_are_one_array_of_the_host(self):
        kept = Kept()
        index = DocumentArray()
        gc.collect()
        before = LIVE['arrays']
        for n in range(3 * MANY):
            docs, source = self.received(
                doc(id=f'{n}a', text=f'{n}', chunks=[doc(text=f'c{n}')]), doc(id=f'{n}b')
            )
            if n % 3 == 0:
                docs[0].chunks[0].text
            docs[0].text = f't{n}'
            write_back(docs, source)
            index.append(docs[0])
            reference = weakref.ref(source)
            del docs, source, self.host
            self.assertIsNotNone(reference())
            kept.note(reference)
        # Those that came last have arrays of their own, and the array that has the others.
        self.assertLessEqual(LIVE['arrays'], before + 2)
        self.assertEqual(index.texts, [f't{n}' for n in range(3 * MANY)])
        self.assertEqual(index[:, 'id'][-1], f'{3 * MANY - 1}a')
        self.assertEqual([one.chunks.texts for one in index[5:8]], [['c5'], ['c6'], ['c7']])
        made = build([index[7], index[500]]).docs
        self.assertEqual([(one.id, one.text) for one in made], [('7a', 't7'), ('500a', 't500')])

    def test_rows_that_nobody_has_are_let_go(self):
        kept = Kept()
        last = deque(maxlen=2 * MANY)
        for n in range(20 * MANY):
            docs, source = self.received(doc(id=f'{n}', text=f'{n}'))
            last.append(docs[0])
            reference = weakref.ref(source)
            del docs, source, self.host
            kept.note(reference)
        self.assertGreater(CALLS['arrange'], 0)
        self.assertLess(len(kept._handle.docs), 2 * (LEAST_DEAD + MANY))
        self.assertEqual([one.text for one in last], [f'{n}' for n in range(18 * MANY, 20 * MANY)])


if __name__ == '__main__':
    unittest.main()
