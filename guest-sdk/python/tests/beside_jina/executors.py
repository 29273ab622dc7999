"""Small methods that Jina and wasm-flow both run: every field, every way to return, changes in
place, errors and asyncio. `compare.py` sends each the same requests on both."""

import asyncio
import json
import numpy as np
from docarray import Document, DocumentArray
from docarray.score import NamedScore
from jina import Executor, requests


class Base(Executor):
    @requests(on='/inherited')
    def inherited(self, docs, **kwargs):
        for d in docs:
            d.text = 'inherited'

    @requests(on='/taken')
    def taken(self, docs, **kwargs):
        docs[0].text = 'base'


class Many(Base):
    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.kept = DocumentArray()
        self.calls = 0

    @requests
    def default(self, docs, **kwargs):
        for d in docs:
            d.text = 'default'

    @requests(on='/taken')
    def taker(self, docs, **kwargs):
        docs[0].text = 'child'

    @requests(on='/text')
    def text(self, docs, **kwargs):
        for d in docs:
            d.text = d.text.upper() + '!'

    @requests(on='/text_none')
    def text_none(self, docs, **kwargs):
        for d in docs:
            d.text = None

    @requests(on='/blob')
    def blob(self, docs, **kwargs):
        for d in docs:
            d.blob = d.text.encode()

    @requests(on='/blob_to_text')
    async def blob_to_text(self, docs, **kwargs):
        for d in docs:
            if d.blob:
                d.text = d.blob.decode()

    @requests(on='/tensor')
    def tensor(self, docs, **kwargs):
        for d in docs:
            d.tensor = np.arange(6, dtype=np.float32).reshape(2, 3) * len(d.text)

    @requests(on='/content')
    def content(self, docs, **kwargs):
        return {
            'types': [d.content_type for d in docs],
            'contents': [
                str(d.content) if d.content_type != 'tensor' else d.content.tolist() for d in docs
            ],
        }

    @requests(on='/content_set')
    def content_set(self, docs, **kwargs):
        docs[0].content = b'bytes'
        docs[1].content = 'text'
        docs[2].content = np.array([1, 2])

    @requests(on='/embedding')
    def embedding(self, docs, **kwargs):
        docs.embeddings = np.ones((len(docs), 3), dtype=np.float64)

    @requests(on='/embedding_list')
    def embedding_list(self, docs, **kwargs):
        for d in docs:
            d.embedding = [1.0, 2.0]

    @requests(on='/embedding_inplace')
    def embedding_inplace(self, docs, **kwargs):
        for d in docs:
            if d.embedding is not None:
                # What Jina received cannot be written.
                d.embedding = d.embedding.copy()
                d.embedding[0] = 42
                d.embedding *= 2

    @requests(on='/embedding_norm')
    def embedding_norm(self, docs, **kwargs):
        for d in docs:
            if d.embedding is not None:
                d.embedding = d.embedding / np.linalg.norm(d.embedding)

    @requests(on='/embedding_none')
    def embedding_none(self, docs, **kwargs):
        for d in docs:
            d.embedding = None

    @requests(on='/tags')
    def tags(self, docs, **kwargs):
        for n, d in enumerate(docs):
            d.tags['n'] = n
            d.tags['nested'] = {'list': [1, 'a', None, True], 'x': {'y': 1.5}}

    @requests(on='/tags_inplace')
    def tags_inplace(self, docs, **kwargs):
        for d in docs:
            d.tags.setdefault('list', []).append(len(d.text))
            d.tags.pop('a', None)

    @requests(on='/tags_replace')
    def tags_replace(self, docs, **kwargs):
        for d in docs:
            d.tags = {'only': str(sorted(d.tags.items(), key=str))}

    @requests(on='/tags_clear')
    def tags_clear(self, docs, **kwargs):
        for d in docs:
            d.tags.clear()

    @requests(on='/tags_types')
    def tags_types(self, docs, **kwargs):
        return {'types': [{k: type(v).__name__ for k, v in d.tags.items()} for d in docs]}

    @requests(on='/fields')
    def fields(self, docs, **kwargs):
        d = docs[0]
        d.uri = 'http://x/a.png'
        d.modality = 'image'
        d.weight = 0.25
        d.offset = 3
        d.location = [1, 2.5]
        d.granularity = 1
        d.adjacency = 2
        d.parent_id = 'p'

    @requests(on='/mime')
    def mime(self, docs, **kwargs):
        docs[0].mime_type = 'txt'
        docs[1].mime_type = 'image/png'
        docs[2].uri = 'a.html'

    @requests(on='/id')
    def id(self, docs, **kwargs):
        for n, d in enumerate(docs):
            d.id = f'new{n}'

    @requests(on='/scores')
    def scores(self, docs, **kwargs):
        for d in docs:
            d.scores['a'].value = 0.5
            d.scores['b'] = NamedScore(value=1, op_name='op', description='de', ref_id='r')
            d.evaluations['e'] = NamedScore(value=2)

    @requests(on='/chunks')
    def chunks(self, docs, **kwargs):
        for d in docs:
            for w in d.text.split():
                d.chunks.append(Document(id=f'{d.id}-{w}', text=w))

    @requests(on='/chunks_inplace')
    def chunks_inplace(self, docs, **kwargs):
        for c in docs['@c']:
            c.text = c.text.upper()
        for c in docs.traverse_flat('cc'):
            c.tags['deep'] = True

    @requests(on='/chunks_replace')
    def chunks_replace(self, docs, **kwargs):
        for d in docs:
            d.chunks = DocumentArray(
                [Document(id=f'{d.id}r', text='r', chunks=[Document(id=f'{d.id}rr', text='rr')])]
            )

    @requests(on='/chunks_delete')
    def chunks_delete(self, docs, **kwargs):
        for d in docs:
            d.chunks.clear()

    @requests(on='/chunks_pop')
    def chunks_pop(self, docs, **kwargs):
        for d in docs:
            if d.chunks:
                d.chunks.pop(0)

    @requests(on='/matches')
    def matches(self, docs, **kwargs):
        for d in docs:
            d.matches = [Document(id=f'{d.id}m{n}', text=f'm{n}') for n in range(2)]
            d.matches[0].scores['s'].value = 1

    @requests(on='/match')
    def match(self, docs, **kwargs):
        for n, d in enumerate(docs):
            d.embedding = np.array([n + 1.0, 1.0])
        docs.match(docs, limit=2)

    @requests(on='/match_euclidean')
    def match_euclidean(self, docs, **kwargs):
        for n, d in enumerate(docs):
            d.embedding = np.array([n * 1.0, 1.0])
        docs.match(DocumentArray(docs), metric='euclidean', exclude_self=True, limit=1)

    @requests(on='/match_normal')
    def match_normal(self, docs, **kwargs):
        for n, d in enumerate(docs):
            d.embedding = np.array([n * 1.0, 1.0])
        docs.match(DocumentArray(docs), metric='sqeuclidean', normalization=(1, 0))

    @requests(on='/append')
    def append(self, docs, **kwargs):
        docs.append(Document(id='appended', text='appended'))

    @requests(on='/extend')
    def extend(self, docs, **kwargs):
        docs.extend([Document(id='e1'), Document(id='e2', tags={'a': 1})])

    @requests(on='/insert')
    def insert(self, docs, **kwargs):
        docs.insert(0, Document(id='first'))

    @requests(on='/delete')
    def delete(self, docs, **kwargs):
        del docs[0]

    @requests(on='/delete_slice')
    def delete_slice(self, docs, **kwargs):
        del docs[1:]

    @requests(on='/delete_id')
    def delete_id(self, docs, **kwargs):
        del docs['b']

    @requests(on='/clear')
    def clear(self, docs, **kwargs):
        docs.clear()

    @requests(on='/reverse')
    def reverse(self, docs, **kwargs):
        docs.reverse()

    @requests(on='/sort')
    def sort(self, docs, **kwargs):
        docs[:] = sorted(docs, key=lambda d: d.text, reverse=True)

    @requests(on='/replace')
    def replace(self, docs, **kwargs):
        docs[0] = Document(id='replaced', text='replaced')

    @requests(on='/return_new')
    def return_new(self, docs, **kwargs):
        return DocumentArray([Document(id='n1', text='n1', tags={'x': 1}), docs[0]])

    @requests(on='/return_same')
    def return_same(self, docs, **kwargs):
        docs[0].text = 'same'
        return docs

    @requests(on='/return_slice')
    def return_slice(self, docs, **kwargs):
        docs[1].text = 'sliced'
        return docs[1:]

    @requests(on='/return_empty')
    async def return_empty(self, docs, **kwargs):
        return DocumentArray()

    @requests(on='/return_filtered')
    def return_filtered(self, docs, **kwargs):
        return docs.find({'text': {'$regex': 'o'}})

    @requests(on='/return_chunks')
    def return_chunks(self, docs, **kwargs):
        return docs['@c']

    @requests(on='/return_dict')
    def return_dict(self, docs, **kwargs):
        docs[0].text = 'changed as well'
        return {'a': 1, 'b': [1, 'x', None, True], 'c': {'d': 1.5}}

    @requests(on='/return_str')
    def return_str(self, docs, **kwargs):
        return 'text'

    @requests(on='/return_list')
    def return_list(self, docs, **kwargs):
        return [1]

    @requests(on='/return_doc')
    def return_doc(self, docs, **kwargs):
        return docs[0]

    @requests(on='/parameters')
    def parameters(self, parameters, **kwargs):
        seen = dict(sorted(parameters.items()))
        # Jina itself puts it there.
        seen.pop('__results__', None)
        return {
            'seen': seen,
            'types': {k: type(v).__name__ for k, v in seen.items()},
            'text': str(seen),
        }

    @requests(on='/parameters_changed')
    def parameters_changed(self, docs, parameters, **kwargs):
        parameters['own'] = 1
        parameters.pop('__results__', None)
        docs[0].text = json.dumps(parameters, sort_keys=True)

    @requests(on='/kwargs')
    def all_kwargs(self, **kwargs):
        return {
            'names': sorted(kwargs),
            'docs': len(kwargs['docs']),
            'matrix': None
            if kwargs['docs_matrix'] is None
            else [len(m) for m in kwargs['docs_matrix']],
            'map': {k: len(v) for k, v in kwargs['docs_map'].items()},
            'tracing': kwargs['tracing_context'] is None,
        }

    @requests(on='/matrix')
    def matrix(self, docs, docs_matrix, **kwargs):
        for d in docs_matrix[0]:
            d.text = 'by the matrix'

    @requests(on='/state')
    def state(self, docs, **kwargs):
        self.calls += len(docs)
        self.kept.extend(docs)
        docs[0].text = f'{self.calls} {len(self.kept)} {self.kept[0].text}'

    @requests(on='/state_read')
    def state_read(self, docs, **kwargs):
        return {
            'texts': self.kept.texts,
            'ids': self.kept[:, 'id'],
            'tags': self.kept[:, 'tags__x'],
            'factor': self.factor,
        }

    @requests(on='/raise_value')
    def raise_value(self, docs, **kwargs):
        docs[0].text = 'half done'
        raise ValueError('value', 3)

    @requests(on='/raise_async')
    async def raise_async(self, docs, **kwargs):
        await asyncio.sleep(0.001)
        raise KeyError('key')

    @requests(on='/raise_own')
    def raise_own(self, docs, **kwargs):
        class Own(Exception):
            pass

        raise Own()

    @requests(on='/index_error')
    def index_error(self, docs, **kwargs):
        docs[100].text = 'x'

    @requests(on='/zero')
    def zero(self, docs, **kwargs):
        1 / 0

    @requests(on='/attributes')
    def attributes(self, docs, **kwargs):
        return {
            'a': docs[:, 'text'],
            'b': docs[:2, ['id', 'tags__a']],
            'c': docs[0, 'text'],
            'n': [list(d.non_empty_fields) for d in docs],
            'in': 'a' in docs,
        }

    @requests(on='/set_attributes')
    def set_attributes(self, docs, **kwargs):
        docs[:, 'text'] = [f'set{n}' for n in range(len(docs))]
        docs[:, 'weight'] = 0.5
        docs['a', 'modality'] = 'm'

    @requests(on='/texts')
    def texts(self, docs, **kwargs):
        docs.texts = [t + '?' for t in docs.texts]

    @requests(on='/batches')
    def batches(self, docs, **kwargs):
        return {
            'ids': [[d.id for d in b] for b in docs.batch(2)],
            'split': {str(k): [d.id for d in v] for k, v in docs.split_by_tag('a').items()},
        }

    @requests(on='/traverse')
    def traverse(self, docs, **kwargs):
        return {
            p: [d.id for d in docs.traverse_flat(p)]
            for p in ('r', 'c', 'm', 'cc', 'r,c', 'c[0:1]', 'cm')
        }

    @requests(on='/flat')
    def flat(self, docs, **kwargs):
        return {'ids': [d.id for d in docs[...]]}

    @requests(on='/find')
    def find(self, docs, parameters, **kwargs):
        return {'ids': [d.id for d in docs.find(parameters['query'])]}

    @requests(on='/copy')
    def copy(self, docs, **kwargs):
        made = DocumentArray([Document(d, copy=True) for d in docs])
        for d in made:
            d.text += ' copy'
            d.tags['copied'] = True
        return made

    @requests(on='/pop')
    def pop(self, docs, **kwargs):
        for d in docs:
            d.pop('text', 'tags', 'embedding')

    @requests(on='/doc_dict')
    def doc_dict(self, docs, **kwargs):
        docs.append(Document({'id': 'dd', 'text': 'of a dict', 'unknown': 1}))

    @requests(on='/reduce')
    def reduce(self, docs, **kwargs):
        docs.reduce(DocumentArray([Document(id='a', tags={'z': 1}, weight=3), Document(id='zz')]))

    @requests(on='/gather')
    async def gather(self, docs, **kwargs):
        async def one(d):
            await asyncio.sleep(0.01)
            d.text += ' gathered'

        await asyncio.gather(*(one(d) for d in docs))

    @requests(on='/queue')
    async def queue(self, docs, **kwargs):
        q = asyncio.Queue(1)

        async def put():
            for d in docs:
                await q.put(d.text)
            await q.put(None)

        task = asyncio.create_task(put())
        seen = []
        while (t := await q.get()) is not None:
            seen.append(t)
        await task
        return {'seen': seen}

    @requests(on='/timeout')
    async def timeout(self, docs, **kwargs):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except asyncio.TimeoutError:
            docs[0].text = 'timeout'

    @requests(on='/hashing')
    def hashing(self, docs, **kwargs):
        for d in docs:
            d.tags.pop('n', None)
            d.embed_feature_hashing(n_dim=32)
        return {'words': [sorted(d.get_vocabulary().items()) for d in docs]}

    @requests(on='/meta')
    def meta(self, **kwargs):
        return {
            'name': self.runtime_args.name,
            'factor': self.factor,
            'endpoints': sorted(self.requests)[:3],
        }
