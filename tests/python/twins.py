"""Deterministic methods for the differential test: what `tests/guests/twins` does, in
Python. What is changed there is changed here.

Each is a plain function of documents and a `Call`, so that the model of the
differential test can call it, too. `Twin` is an executor of all of them, for the real
Jina.
"""

import asyncio
import multiprocessing
import time

import numpy as np
from docarray import Document, DocumentArray
from docarray.score import NamedScore
from jina import Executor, requests

# When a request was sent, and how long a turn is, in seconds. The processes of a flow
# are forked and share it.
CLOCK = multiprocessing.RawArray('d', [0.0, 0.0])


class Call:
    """What a method gets beside the documents."""

    def __init__(self, name, config, parameters, matrix, parts, shard=0):
        self.name = name
        self.shard = shard
        self.step = config.get('step', 0)
        self.part = config.get('part', 0)
        self.parameters = parameters
        # Jina gives none if there are no documents.
        self.matrix = matrix or []
        self.parts = parts or {}


def upper(docs, call):
    for doc in docs:
        if doc.text:
            doc.text = doc.text.upper()


def mark(docs, call):
    first = int(call.parameters.get('first', 0))
    for index, doc in enumerate(docs):
        doc.tags[call.name] = first + call.step * index
        doc.tags['by'] = doc.tags.get('by', '') + call.name


def tell(docs, call):
    def seen(docs):
        return [f'{doc.id}={doc.text}' for doc in docs]

    return {
        'docs': seen(docs),
        'parameters': call.parameters,
        'matrix': [seen(part) for part in call.matrix],
        'map': {name: seen(part) for name, part in call.parts.items()},
    }


def embed(docs, call):
    for doc in docs:
        counts = [len(doc.text), len(doc.chunks), len(doc.matches)]
        doc.embedding = np.array(counts, dtype=np.float32)


def split(docs, call):
    for doc in docs:
        chunk = Document(id=f'{doc.id}/{call.name}{len(doc.chunks)}', tags={'of': 'a split'})
        if doc.text:
            chunk.text = doc.text[:3]
        doc.chunks.append(chunk)


def find(docs, call):
    for doc in docs:
        count = len(doc.matches)
        found = Document(id=f'{doc.id}~{count}', uri=f'found:{call.name}')
        found.scores['near'] = NamedScore(value=float(count + 1))
        doc.matches.append(found)


def rank(docs, call):
    for doc in docs:
        doc.matches = list(doc.matches)[::-1][:-1]


def even(docs, call):
    odd = {doc.id for doc in docs if int(doc.tags.get('n', 0)) % 2 == 1}
    return DocumentArray([doc for doc in docs if doc.id not in odd])


def grow(docs, call):
    doc = Document(
        id=f'grown-{call.step}', text=f'grown by {call.name}', weight=0.5, tags={'n': len(docs)}
    )
    docs.append(doc)


def fresh(docs, call):
    text = '+'.join(doc.id for doc in docs)
    made = [Document(id=f'fresh-{n}', tags={'n': n}) for n in range(2)]
    if text:
        for doc in made:
            doc.text = text
    return DocumentArray(made)


def turn(docs, call):
    return DocumentArray(list(docs)[::-1])


def content(docs, call):
    for doc in docs:
        if doc.text:
            doc.blob = doc.text.encode()
        elif doc.blob:
            doc.tensor = np.frombuffer(doc.blob, dtype=np.uint8).reshape(1, -1)
        elif doc.tensor is not None:
            shape = 'x'.join(str(length) for length in doc.tensor.shape)
            doc.text = f'{doc.tensor.dtype.str} {shape}'


def fields(docs, call):
    for doc in docs:
        doc.weight = doc.weight * 2 + 0.25
        doc.uri = f'twin:{call.name}'
        doc.mime_type = 'text/plain'
        doc.modality = call.name
        doc.offset = 1.5
        doc.location = [1.0, 2.5]


def score(docs, call):
    for index, doc in enumerate(docs):
        doc.scores[call.name] = NamedScore(
            value=0.5 * index + 0.5, op_name=call.name, description='by place', ref_id=doc.id
        )
        doc.evaluations['all'] = NamedScore(value=2.0)


def wipe(docs, call):
    for doc in docs:
        doc.pop('text', 'blob', 'tensor', 'embedding', 'tags', 'uri', 'weight', 'scores', 'chunks')


def fail(docs, call):
    for doc in docs:
        if 'bad' in doc.tags:
            raise ValueError(f'{call.name} does not like {doc.id}')
        doc.text = 'before the failure'


def pick(docs, call):
    if not call.matrix:
        return DocumentArray()
    return call.matrix[call.part % len(call.matrix)]


def weave(docs, call):
    woven = []
    for place in range(max((len(part) for part in call.matrix), default=0)):
        for number, part in enumerate(call.matrix):
            if place < len(part):
                doc = Document(part[place], copy=True)
                doc.tags['part'] = number
                woven.append(doc)
    return DocumentArray(woven)


def piece(docs, call):
    kept = [doc for place, doc in enumerate(docs) if place % 4 != call.shard]
    for doc in kept:
        doc.tags['shard'] = call.shard
        doc.matches.append(Document(id=f'{doc.id}@{call.shard}', weight=0.5))
        if call.shard:
            doc.modality = f'of {call.shard}'
    return DocumentArray(kept)


METHODS = {
    function.__name__: function
    for function in (
        upper, mark, tell, embed, split, find, rank, even, grow, fresh, turn, content, fields,
        score, wipe, fail, pick, weave, piece,
    )
}  # fmt: skip

# The endpoints that they are bound to by themselves.
OWN = {'/upper': 'upper', '/shout': 'upper', '/mark': 'mark', '/tell': 'tell'}


def handler(function, endpoints):
    """A method of an executor, bound to these endpoints."""

    async def handle(self, docs, parameters, docs_matrix, docs_map, **kwargs):
        name = self.runtime_args.name.split('/')[0]
        shard = self.runtime_args.shard_id
        call = Call(name, self.config, parameters, docs_matrix, docs_map, shard)
        try:
            return function(docs, call)
        finally:
            await self.wait()

    handle.__name__ = function.__name__
    return requests(on=endpoints)(handle) if endpoints else handle


def handlers(bound):
    """All the methods, bound to endpoints as a table says."""
    endpoints = {name: [on for on, method in bound.items() if method == name] for name in METHODS}
    return {name: handler(function, endpoints[name]) for name, function in METHODS.items()}


class Waiting(Executor):
    """An executor whose methods each answer in its turn: the answers of branches come in
    an order that the test knows."""

    def __init__(self, turn=0, config=None, **kwargs):
        super().__init__(**kwargs)
        self.turn = turn
        self.config = config or {}

    async def wait(self):
        start, length = CLOCK
        if self.turn and length:
            left = start + self.turn * length - time.monotonic()
            await asyncio.sleep(max(0.0, left))


class Twin(Waiting):
    """All the methods."""

    vars().update(handlers(OWN))


def around(name, bound):
    """A class for `uses_before` or `uses_after`, which take no `uses_requests` on Jina."""
    return type(Waiting)(name, (Waiting,), handlers(bound))
