"""Random changes to documents of the host and to plain ones: what is written back, or built
anew, is what the plain ones hold."""

import json
import random
import unittest

from . import fake_host
from .fake_host import Content, doc

fake_host.install()

from wasm_flow import Document, DocumentArray, NamedScore  # noqa: E402
from wasm_flow import ndarrays as numbers  # noqa: E402
from wasm_flow.host.commit import build, is_whole, write_back  # noqa: E402
from wasm_flow.host.source import Source  # noqa: E402

CASES = 400
STEPS = 12


def host_docs(random, prefix, depth=0, **levels):
    """Documents as a client sent them."""
    docs = []
    for n in range(random.randrange(0 if depth else 1, 5 - depth)):
        one = doc(id=f'{prefix}{n}', **levels)
        content = random.randrange(4)
        if content == 1:
            one.text, one.content = f't{n}', Content.TEXT
        elif content == 2:
            one.blob, one.content = b'b', Content.BLOB
        elif content == 3:
            one.tensor, one.content = fake_host.dense(n, 1, dtype='<i8'), Content.TENSOR
        if random.random() < 0.5:
            one.tags = json.dumps({'n': n, 'l': [1, None]}, separators=(',', ':'))
        if random.random() < 0.5:
            one.embedding = fake_host.dense(n, random.randrange(3))
        if depth < 2:
            below = {'granularity': one.granularity + 1, 'parent_id': one.id}
            one.chunks = host_docs(random, f'{one.id}c', depth + 1, **below)
            below = {'adjacency': one.adjacency + 1}
            one.matches = host_docs(random, f'{one.id}m', depth + 1, **below)
        docs.append(one)
    return docs


def of_host(one, below=False):
    """A document of the host, as values that can be compared."""
    return {
        'id': one.id,
        # The levels below follow from where a document is: who receives them counts anew.
        'levels': None if below else (one.parent_id, one.granularity, one.adjacency),
        'weight': one.weight,
        'content': {
            Content.NONE: None,
            Content.TEXT: one.text,
            Content.BLOB: one.blob,
            Content.TENSOR: of_array(one.tensor),
        }[one.content],
        'tags': json.loads(one.tags or '{}', parse_int=float),
        'embedding': of_array(one.embedding),
        'scores': sorted((name, score.value) for name, score in one.scores),
        'chunks': [of_host(chunk, below=True) for chunk in one.chunks],
        'matches': [of_host(match, below=True) for match in one.matches],
    }


def of_array(raw):
    if raw is None:
        return None
    dense = raw.data.value
    return dense.dtype, numbers.frombuffer(dense.buffer, dense.dtype, dense.shape).tolist()


def of_plain(one, below=False):
    """The same of a plain document."""
    content = one.content
    if one.content_type == 'tensor':
        content = (content.dtype.str, content.tolist())
    embedding = one.embedding
    return {
        'id': one.id,
        # The levels below follow from where a document is: who receives them counts anew.
        'levels': None if below else (one.parent_id, one.granularity, one.adjacency),
        'weight': one.weight,
        'content': content,
        'tags': json.loads(json.dumps(one.tags), parse_int=float),
        'embedding': None if embedding is None else (embedding.dtype.str, embedding.tolist()),
        'scores': sorted((name, score.value) for name, score in one.scores.items()),
        'chunks': [of_plain(chunk, below=True) for chunk in one.chunks],
        'matches': [of_plain(match, below=True) for match in one.matches],
    }


def plain(one):
    """A plain document of one of the host."""
    made = Document(id=one.id, parent_id=one.parent_id)
    made.granularity, made.adjacency, made.weight = one.granularity, one.adjacency, one.weight
    if one.content is Content.TEXT:
        made.text = one.text
    elif one.content is Content.BLOB:
        made.blob = one.blob
    elif one.content is Content.TENSOR:
        dense = one.tensor.data.value
        made.tensor = numbers.frombuffer(dense.buffer, dense.dtype, dense.shape)
    if one.tags:
        made.tags = json.loads(one.tags, parse_int=float)
    if one.embedding is not None:
        dense = one.embedding.data.value
        made.embedding = numbers.frombuffer(dense.buffer, dense.dtype, dense.shape)
    made.chunks = [plain(below) for below in one.chunks]
    made.matches = [plain(below) for below in one.matches]
    return made


def change(random, docs, step):
    """One change, which is the same for the same state of `random`."""
    target = docs
    while len(target) and random.random() < 0.4:
        one = target[random.randrange(len(target))]
        target = one.chunks if random.random() < 0.5 else one.matches
    kind = random.randrange(18)
    if kind == 0:
        target.append(Document(id=f'new{step}', text='new'))
    elif kind == 1:
        target.insert(0, Document(id=f'ins{step}', chunks=[Document(id=f'ins{step}c', text='x')]))
    elif kind == 2:
        target.reverse()
    elif kind == 3 and target is not docs:
        target.clear()
    if not len(target):
        return
    place = random.randrange(len(target))
    one = target[place]
    if kind == 4:
        del target[place]
    elif kind == 5:
        target[place] = Document(id=f'set{step}', tags={'a': step})
    elif kind == 6:
        one.text = f'text{step}'
    elif kind == 7:
        one.blob = b'%d' % step
    elif kind == 8:
        one.tensor = numbers.array([step, 2.5])
    elif kind == 9:
        one.content = None
    elif kind == 10:
        one.tags[f't{step}'] = {'deep': [step]}
    elif kind == 11:
        one.tags.pop('n', None)
        one.tags.get('l', []).append(step)
    elif kind == 12:
        one.embedding = numbers.array([1, step], 'f4')
    elif kind == 13 and one.embedding is not None:
        one.embedding[0] = step
    elif kind == 14:
        one.weight = step / 2
        one.scores['s'] = NamedScore(value=step)
    elif kind == 15:
        one.chunks = [Document(id=f'c{step}', text='c')]
    elif kind == 16:
        one.embedding = None
    elif kind == 17:
        # Looks only.
        (one.text, one.tags, one.embedding, one.scores, one.chunks.texts, one.content)


class Same(unittest.TestCase):
    def test_what_is_written_back_and_what_is_built(self):
        for case in range(CASES):
            with self.subTest(case=case):
                chance = random.Random(case)
                host = fake_host.DocumentArray(host_docs(chance, f'd{case}-'))
                expected = DocumentArray(plain(one) for one in host.docs)
                source = Source(host, len(host.docs))
                docs = DocumentArray._of(source)
                state = chance.getstate()
                for given in (docs, expected):
                    chance.setstate(state)
                    for step in range(STEPS):
                        change(chance, given, step)
                wanted = [of_plain(one) for one in expected]
                self.assertEqual([of_plain(one) for one in docs], wanted)
                if not is_whole(docs, source):
                    self.assertEqual([of_host(one) for one in build(docs).docs], wanted)
                write_back(docs, source)
                self.assertEqual([of_host(one) for one in host.docs], wanted)
                # Kept ones show the same afterwards.
                self.assertEqual([of_plain(one) for one in docs], wanted)


if __name__ == '__main__':
    unittest.main()
