"""Documents and arrays as plain objects, without a host."""

import copy
import json
import pickle
import tempfile
import unittest

from wasm_flow import Document, DocumentArray, NamedScore
from wasm_flow import ndarrays as numbers


class Documents(unittest.TestCase):
    def test_a_new_one_is_empty(self):
        doc = Document()
        self.assertEqual((doc.text, doc.blob, doc.tensor, doc.content), ('', b'', None, None))
        self.assertEqual(
            (doc.tags, doc.location, len(doc.chunks), doc.embedding), ({}, [], 0, None)
        )
        self.assertRegex(doc.id, '^[0-9a-f]{32}$')
        self.assertEqual(doc.id, doc.id)
        self.assertEqual(doc.non_empty_fields, ('id',))

    def test_the_last_content_counts(self):
        doc = Document(text='a')
        doc.blob = b'b'
        self.assertEqual((doc.text, doc.blob, doc.content_type), ('', b'b', 'blob'))
        doc.tensor = [1]
        self.assertEqual((doc.blob, doc.tensor, doc.content), (b'', [1], [1]))
        doc.content = 'c'
        self.assertEqual((doc.tensor, doc.text), (None, 'c'))
        doc.blob = None
        self.assertEqual(doc.text, 'c')
        doc.text = None
        self.assertIsNone(doc.content_type)
        self.assertEqual(Document(text='a', blob=b'b').content_type, 'blob')

    def test_unknown_fields_are_tags(self):
        self.assertEqual(Document(text='a', price=3, tags={'b': 1}).tags, {'b': 1, 'price': 3})

    def test_of_a_dict_or_a_document(self):
        doc = Document({'text': 'a', 'chunks': [{'text': 'c'}]})
        self.assertEqual((doc.text, doc.chunks[0].text, doc.chunks[0].granularity), ('a', 'c', 1))
        again = Document(doc)
        again.tags['x'] = 1
        self.assertEqual((again.id, again.text, doc.tags), (doc.id, 'a', {}))

    def test_values_of_the_wrong_type(self):
        doc = Document()
        for name, value in [
            ('text', 5),
            ('blob', 'a'),
            ('tags', []),
            ('granularity', 'a'),
            ('weight', 'x'),
        ]:
            with self.assertRaisesRegex(TypeError, f'`{name}` of a Document is'):
                setattr(doc, name, value)
        with self.assertRaisesRegex(ValueError, 'granularity'):
            doc.granularity = -1
        with self.assertRaisesRegex(AttributeError, 'no `txt`'):
            doc.txt

    def test_chunks_and_matches_know_where_they_are(self):
        doc = Document(id='p', chunks=[Document()], matches=Document())
        doc.chunks.append(Document(text='c'))
        self.assertEqual([(c.parent_id, c.granularity) for c in doc.chunks], [('p', 1), ('p', 1)])
        self.assertEqual(doc.matches[0].adjacency, 1)
        self.assertIs(doc.chunks.reference_doc, doc)

    def test_scores(self):
        doc = Document()
        doc.scores['a'].value = 2.5
        doc.scores['b'] = NamedScore(value=1, description='d')
        self.assertEqual(doc._get_attributes('scores__a__value'), 2.5)
        self.assertEqual(doc.scores['b'].to_dict(), {'value': 1, 'description': 'd'})

    def test_mime_types(self):
        self.assertEqual(Document(uri='a/b.png').mime_type, 'image/png')
        self.assertEqual(Document(mime_type='txt').mime_type, 'text/plain')

    def test_there_and_back(self):
        doc = Document(text='a', tags={'x': [1]}, chunks=[Document(text='c')], scores={'s': 1})
        for again in (
            Document.from_dict(doc.to_dict()),
            Document.from_json(doc.to_json()),
            pickle.loads(pickle.dumps(doc)),
            copy.deepcopy(doc),
        ):
            self.assertEqual(again, doc)
        blob = Document(blob=b'\xff')
        self.assertEqual(Document.from_json(blob.to_json()), blob)

    def test_equal(self):
        self.assertEqual(Document(id='a', text='x'), Document(id='a', text='x'))
        self.assertNotEqual(Document(id='a', text='x'), Document(id='a', text='y'))
        self.assertNotEqual(Document(id='a'), Document(id='b'))


class Arrays(unittest.TestCase):
    def setUp(self):
        self.docs = DocumentArray(
            Document(id=name, text=name.upper(), tags={'n': n, 'even': n % 2 == 0})
            for n, name in enumerate('abcd')
        )

    def ids(self, docs):
        return ''.join(doc.id for doc in docs)

    def test_by_place_id_and_list(self):
        docs = self.docs
        self.assertEqual((docs[0].id, docs[-1].id, docs['b'].id), ('a', 'd', 'b'))
        self.assertEqual(self.ids(docs[1:3]), 'bc')
        self.assertEqual(self.ids(docs[['d', 'a']]), 'da')
        self.assertEqual(self.ids(docs[0, 2]), 'ac')
        self.assertEqual(self.ids(docs['a', 'c']), 'ac')
        self.assertEqual(self.ids(docs[[True, False, False, True]]), 'ad')
        with self.assertRaisesRegex(KeyError, "no document here has the id 'x'"):
            docs['x']
        with self.assertRaises(IndexError):
            docs[9]
        with self.assertRaisesRegex(IndexError, 'float'):
            docs[1.5]

    def test_attributes(self):
        docs = self.docs
        self.assertEqual(docs[:, 'text'], ['A', 'B', 'C', 'D'])
        self.assertEqual(docs[:, 'tags__n'], [0, 1, 2, 3])
        self.assertEqual(docs[1:3, ['id', 'text']], [['b', 'c'], ['B', 'C']])
        self.assertEqual(docs[0, 'text'], 'A')
        self.assertEqual(docs['b', 'tags__n'], 1)
        self.assertEqual(docs[:, 'tags__nothing'], [None] * 4)

    def test_setting(self):
        docs = self.docs
        docs[:, 'text'] = ['1', '2', '3', '4']
        docs[0, 'text'] = 'first'
        docs['b', 'weight'] = 2
        docs[2:, 'modality'] = 'm'
        docs[:2, ['uri', 'offset']] = [['u', 'v'], [1, 2]]
        self.assertEqual(docs.texts, ['first', '2', '3', '4'])
        self.assertEqual((docs[1].weight, docs[:, 'modality']), (2.0, ['', '', 'm', 'm']))
        self.assertEqual((docs[:, 'uri'], docs[1].offset), (['u', 'v', '', ''], 2.0))
        docs[3] = Document(id='z')
        docs['a'] = Document(id='y')
        self.assertEqual(self.ids(docs), 'ybcz')
        docs.texts = ['x'] * 4
        self.assertEqual(docs.texts, ['x'] * 4)
        with self.assertRaisesRegex(ValueError, '1 values of `text` for 4 documents'):
            docs.texts = ['x']

    def test_a_text_in_the_place_of_a_document(self):
        # As the documentation of Jina has it.
        self.docs[0] = 'executed MyExec'
        self.assertEqual((self.docs[0].id, self.docs[0].text), ('a', 'executed MyExec'))

    def test_as_a_list(self):
        docs = self.docs
        docs.append(Document(id='e'))
        docs.extend([Document(id='f')])
        docs += [Document(id='g')]
        docs.insert(0, Document(id='0'))
        self.assertEqual(self.ids(docs), '0abcdefg')
        self.assertEqual(docs.pop().id, 'g')
        docs.remove(docs['b'])
        del docs[0], docs['f'], docs[1:3]
        self.assertEqual(self.ids(docs), 'ae')
        self.assertEqual(self.ids(docs + [Document(id='x')]), 'aex')
        self.assertIn('a', docs)
        self.assertIn(docs[0], docs)
        self.assertNotIn('b', docs)
        docs.reverse()
        self.assertEqual(self.ids(reversed(docs)), 'ae')
        docs.clear()
        self.assertFalse(docs)
        with self.assertRaisesRegex(TypeError, 'holds Documents, and not str'):
            docs.append('text')
        with self.assertRaisesRegex(TypeError, 'holds Documents, and not str'):
            DocumentArray(['text'])

    def test_deleting_several(self):
        del self.docs[[0, 'c', -1]]
        self.assertEqual(self.ids(self.docs), 'b')

    def test_embeddings(self):
        docs = self.docs
        self.assertIsNone(docs.embeddings)
        docs.embeddings = [[n, n + 1] for n in range(4)]
        self.assertEqual(docs[1].embedding, [1, 2])
        self.assertEqual(docs.embeddings.shape, (4, 2))
        docs[0].embedding = None
        with self.assertRaisesRegex(ValueError, 'some documents have no embedding'):
            docs.embeddings
        self.assertIsNone(DocumentArray().embeddings)

    def test_paths(self):
        for doc in self.docs:
            doc.chunks = [
                Document(id=f'{doc.id}{n}', matches=[Document(id=f'{doc.id}{n}m')])
                for n in range(2)
            ]
        docs = self.docs[:2]
        self.assertEqual([doc.id for doc in docs.traverse_flat('c')], ['a0', 'a1', 'b0', 'b1'])
        self.assertEqual([doc.id for doc in docs['@cm']], ['a0m', 'a1m', 'b0m', 'b1m'])
        self.assertEqual([doc.id for doc in docs['@r,c[0]']], ['a', 'b', 'a0', 'b0'])
        self.assertEqual([doc.id for doc in docs['@c[1:]m']], ['a1m', 'b1m'])
        self.assertEqual([len(part) for part in docs.traverse('c')], [2, 2])
        self.assertEqual(len(docs[...]), 10)
        found = docs.traverse_flat('c', filter_fn=lambda doc: doc.id.endswith('1'))
        self.assertEqual([doc.id for doc in found], ['a1', 'b1'])
        with self.assertRaisesRegex(ValueError, "'x' is not a path"):
            docs['@x']

    def test_queries(self):
        def find(query):
            return self.ids(self.docs.find(query))

        self.assertEqual(find({'tags__n': {'$gte': 1, '$lt': 3}}), 'bc')
        self.assertEqual(find({'text': {'$in': ['A', 'D']}}), 'ad')
        self.assertEqual(find({'$or': [{'text': {'$eq': 'A'}}, {'tags__n': {'$eq': 3}}]}), 'ad')
        self.assertEqual(find({'$or': {'text': {'$eq': 'A'}, 'tags__n': {'$eq': 3}}}), 'ad')
        self.assertEqual(find({'$not': {'tags__even': {'$eq': True}}}), 'bd')
        self.assertEqual(find({'text': {'$regex': '[AB]'}}), 'ab')
        self.assertEqual(find({'tags__x': {'$exists': False}}), 'abcd')
        self.assertEqual(find({'blob': {'$exists': True}}), '')
        self.assertEqual(find({'tags__x': {'$gt': 1}}), '')
        self.assertEqual(find({'id': {'$ne': '{text}'}}), 'abcd')
        self.assertEqual(self.ids(self.docs.find(filter={'text': {'$eq': 'B'}})), 'b')
        with self.assertRaisesRegex(ValueError, r'\$like is not an operator'):
            find({'text': {'$like': 'A'}})
        with self.assertRaisesRegex(ValueError, "'\\$eq': 'A'"):
            find({'text': 'A'})

    def test_the_nearest(self):
        for doc, embedding in zip(self.docs, ([1, 0], [0, 1], [0.9, 0.1], [-1, 0])):
            doc.embedding = embedding
        queries = DocumentArray([Document(embedding=[1, 0]), Document(embedding=[0, 2])])
        queries.match(self.docs, limit=2)
        self.assertEqual([self.ids(doc.matches) for doc in queries], ['ac', 'bc'])
        self.assertAlmostEqual(queries[0].matches[0].scores['cosine'].value, 0, places=6)
        queries.match(self.docs, metric='euclidean', limit=1, metric_name='far')
        self.assertEqual(queries[1].matches[:, 'scores__far__value'], [1.0])
        found = self.docs.find([1, 0], limit=1)
        self.assertEqual(self.ids(found), 'a')
        self.assertEqual([self.ids(docs) for docs in self.docs.find(queries, limit=1)], ['a', 'b'])
        self.docs.match(self.docs, exclude_self=True, limit=1)
        self.assertEqual(self.ids(doc.matches[0] for doc in self.docs), 'ccab')
        self.assertEqual(len(self.docs[0].matches[0].matches), 0)
        with self.assertRaisesRegex(NotImplementedError, 'jaccard'):
            self.docs.find([1, 0], metric='jaccard')
        with self.assertRaisesRegex(ValueError, '3 numbers has no distance from one of 2'):
            self.docs.find([1, 0, 0])

    def test_parts(self):
        self.assertEqual([self.ids(part) for part in self.docs.batch(3)], ['abc', 'd'])
        self.assertEqual(
            {tag: self.ids(part) for tag, part in self.docs.split_by_tag('even').items()},
            {True: 'ac', False: 'bd'},
        )
        self.assertEqual(sorted(self.ids(self.docs.shuffle(seed=1))), list('abcd'))
        self.assertEqual(len(self.docs.sample(2)), 2)
        self.assertEqual(len(DocumentArray.empty(3)), 3)

    def test_reduced(self):
        one = DocumentArray([Document(id='a', text='x', chunks=[Document(id='c', text='c')])])
        other = DocumentArray(
            [
                Document(
                    id='a',
                    text='y',
                    tags={'n': 1},
                    chunks=[Document(id='c', weight=2), Document(id='d')],
                ),
                Document(id='b'),
            ]
        )
        one.reduce(other)
        self.assertEqual(self.ids(one), 'ab')
        self.assertEqual((one[0].text, one[0].tags, self.ids(one[0].chunks)), ('x', {'n': 1}, 'cd'))
        self.assertEqual((one[0].chunks[0].text, one[0].chunks[0].weight), ('c', 2.0))

    def test_there_and_back(self):
        for again in (
            DocumentArray.from_list(self.docs.to_list()),
            DocumentArray.from_json(self.docs.to_json()),
            pickle.loads(pickle.dumps(self.docs)),
            copy.deepcopy(self.docs),
        ):
            self.assertEqual(again, self.docs)
        self.assertEqual(json.loads(self.docs.to_json())[0]['text'], 'A')

    def test_files(self):
        self.docs[0].embedding = numbers.array([1, 2], 'f4')
        self.docs[1].blob = b'\xff'
        with tempfile.TemporaryDirectory() as folder:
            self.docs.save_binary(f'{folder}/a.bin')
            again = DocumentArray.load_binary(f'{folder}/a.bin')
            self.assertEqual(again, self.docs)
            self.assertEqual(again[0].embedding.dtype, 'float32')
            self.docs[0].embedding = None
            self.docs.save_json(f'{folder}/a.json')
            self.assertEqual(DocumentArray.load_json(f'{folder}/a.json'), self.docs)

    def test_embeddings_without_a_model(self):
        doc = Document(text='Hello, hello world!', tags={'n': 3, 's': 'yes'})
        self.assertEqual(doc.get_vocabulary(), {'hello': 2, 'world': 1})
        docs = DocumentArray([doc, Document(text='something else')])
        docs.apply(lambda one: one.embed_feature_hashing(n_dim=16))
        # docarray's numbers.
        self.assertEqual(
            {n: value for n, value in enumerate(doc.embedding.tolist()) if value},
            {1: 841092.0, 2: 4.0, 4: 2.0, 7: 2.0, 9: 625352.0},
        )
        self.assertIs(doc.match(docs), doc)
        self.assertEqual(len(doc.matches), 2)


if __name__ == '__main__':
    unittest.main()
