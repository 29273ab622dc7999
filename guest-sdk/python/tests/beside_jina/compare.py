"""Sends the same requests to the real Jina and to wasm-flow, and compares the answers.

    python3 server.py 45001                      # in a Python with Jina
    wasm-flow run flow.toml --port 45002         # with the component of executors.py
    python3 compare.py 45001 45002

Documents are compared with all their fields, results as they are, and of errors the
class: their message has a form of its own on either side.
"""

import json
import sys
import warnings

warnings.filterwarnings('ignore')

import numpy as np  # noqa: E402
from docarray import Document, DocumentArray  # noqa: E402
from executors import Many  # noqa: E402
from jina import Client  # noqa: E402

QUERIES = [
    {'text': {'$eq': 'foo'}},
    {'tags__a': {'$gt': 1}},
    {'$or': [{'text': {'$in': ['bar']}}, {'weight': {'$lt': 1}}]},
    {'tags__q': {'$exists': True}},
    {'text': {'$exists': True}},
    {'$not': {'text': {'$eq': 'foo'}}},
]
PARAMETERS = {
    '/find': [{'query': query} for query in QUERIES],
    '/parameters': [None, {'k': 1, 'x': 'y', 'l': [1, 2.5], 'd': {'n': None}}],
    '/parameters_changed': [None, {'k': 1, 'l': [True]}],
}


def inputs():
    """Requests with every field, with several contents, and without documents."""
    full = Document(
        id='a',
        text='hello world',
        tags={'a': 1, 'list': [1], 's': 'x', 'f': 1.5, 'b': True, 'n': None},
        embedding=np.array([1, 2, 3], dtype=np.float32),
        weight=0.5,
    )
    full.chunks = [
        Document(
            id='c1',
            text='chunk one',
            chunks=[Document(id='cc1', text='deep')],
            matches=[Document(id='cm1')],
        ),
        Document(id='c2', text='chunk two'),
    ]
    full.matches = [Document(id='m1', text='match')]
    full.scores['s'].value = 0.5
    foo = Document(id='b', text='foo', tags={'a': 2}, embedding=np.array([4, 5, 6], np.float32))
    bar = Document(id='c', text='bar', embedding=np.array([1, 0, 0], np.float32))
    yield 'full', DocumentArray([full, foo, bar])
    yield (
        'mixed',
        DocumentArray(
            [
                Document(id='a', blob=b'blob'),
                Document(id='b', text='text'),
                Document(id='c', tensor=np.array([[1, 2]], dtype=np.int64)),
                Document(id='d'),
            ]
        ),
    )
    yield 'none', DocumentArray()


def plain(value):
    """A value as JSON has it, with floats of a few digits."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), [round(float(x), 5) for x in value.ravel()]]
    if isinstance(value, Document):
        return {name: plain(getattr(value, name)) for name in value.non_empty_fields}
    if type(value).__name__ == 'NamedScore':
        names = ('value', 'op_name', 'description', 'ref_id')
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, DocumentArray)):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return round(value, 5) if isinstance(value, float) else value


def answer(port, on, docs, parameters):
    """What a server answers."""
    try:
        responses = Client(port=port).post(
            on, DocumentArray(docs, copy=True), parameters=parameters, return_responses=True
        )
    except Exception as error:
        status = getattr(error.args[0] if error.args else None, 'status', None)
        if status is None:
            raise
        return {'error': status.exception.name}
    response = responses[0]
    return {'docs': plain(response.docs), 'results': plain(response.parameters.get('__results__'))}


def main():
    jina, wasm = map(int, sys.argv[1:3])
    endpoints = sorted({*Many.requests_by_class['Many'], '/not-bound'})
    count, different = 0, 0
    for on in endpoints:
        for name, docs in inputs():
            for parameters in PARAMETERS.get(on, [None]):
                count += 1
                there, here = (answer(port, on, docs, parameters) for port in (jina, wasm))
                if json.dumps(there, sort_keys=True) == json.dumps(here, sort_keys=True):
                    continue
                different += 1
                print(f'{on} with the documents `{name}` and {parameters}')
                for key in sorted({*there, *here}):
                    if there.get(key) != here.get(key):
                        print(f'  {key} of Jina: {there.get(key)}\n  {key} here: {here.get(key)}')
    print(f'{count} requests, of which {different} were answered differently')
    return 1 if different else 0


if __name__ == '__main__':
    sys.exit(main())
