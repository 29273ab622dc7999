"""Random cases: a flow, and requests to it."""

import random
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from docarray import Document, DocumentArray
from docarray.score import NamedScore

from twins import METHODS, OWN

GATEWAY = 'gateway'
DEFAULT = '/default'
# The two that most requests of a case are for. Shards know `/index` and `/search`.
ENDPOINTS = [['/a', '/b'], ['/index', '/search']]
MOST_EXECUTORS = 12
# Each shard is a process on Jina, and so is what is around them.
MOST_SHARDED = 2
# The turn of what floats: the answer has gone out by then.
AFTER_ALL = 40

# Methods by how often they are to be had. Some are for joins.
COMMON = {
    'upper': 2, 'mark': 4, 'tell': 4, 'embed': 3, 'split': 3, 'find': 3, 'rank': 2, 'even': 2,
    'grow': 2, 'fresh': 1, 'turn': 2, 'content': 3, 'fields': 3, 'score': 3, 'wipe': 2, 'fail': 1,
    'pick': 1, 'weave': 1, 'piece': 1,
}  # fmt: skip
AT_JOINS = {**COMMON, 'pick': 6, 'weave': 6, 'tell': 6}
IN_SHARDS = {**COMMON, 'piece': 12, 'tell': 6, 'fail': 6}
# What is around shards is another class on Jina, which a failure would name.
AROUND = {name: weight for name, weight in AT_JOINS.items() if name not in ('fail', 'piece')}
assert set(COMMON) == set(METHODS)


@dataclass
class Node:
    """An executor of a flow."""

    name: str
    needs: list
    requests: dict
    config: dict
    # The answers of the real Jina's executors come in this order.
    turn: int = 0
    when: Optional[dict] = None
    no_reduce: bool = False
    floating: bool = False
    replicas: int = 1
    shards: int = 1
    # As in flow.toml: a word, a table, or none.
    polling: object = None
    # What `uses_before` and `uses_after` bind, if there are such.
    before: Optional[dict] = None
    after: Optional[dict] = None
    # Whether `needs` is left out, because it is what it would be anyway.
    silent: bool = False

    def method(self, endpoint, all_unbound):
        """The name of the method that answers, or none. A method that `requests` binds
        loses all endpoints that it had, or the last of them alone, as in Jina."""
        bound = dict(OWN)
        last = {method: on for on, method in OWN.items()}
        for on, method in self.requests.items():
            if not all_unbound and last.get(method) in bound:
                del bound[last[method]]
            bound[on] = method
        if all_unbound:
            bound = {on: m for on, m in OWN.items() if m not in self.requests.values()}
            bound.update(self.requests)
        return bound.get(endpoint, bound.get(DEFAULT))

    def asks_all(self, endpoint, as_said):
        """Whether a request goes to all shards. What `polling` says holds for every endpoint
        that a table does not name, or for all of these but two, as in Jina."""
        table = self.polling if isinstance(self.polling, dict) else {'*': self.polling}
        usual = {'/search': 'ALL', '/index': 'ANY'}
        said = table.get(endpoint)
        if not said and not as_said:
            said = usual.get(endpoint)
        said = said or table.get('*') or usual.get(endpoint)
        return self.shards > 1 and said == 'ALL'

    @property
    def joins(self):
        return len(self.needs) > 1


@dataclass
class Request:
    """What a client sends."""

    on: str
    docs: DocumentArray
    parameters: Optional[dict] = None
    target: Optional[str] = None
    size: int = 100

    def messages(self):
        """The documents of each message that it is sent in."""
        starts = range(0, len(self.docs), self.size)
        return [self.docs[start : start + self.size] for start in starts] or [self.docs]


@dataclass
class Case:
    """A flow, and what is sent to it."""

    seed: int
    nodes: list
    # The endpoints that most requests are for.
    endpoints: list
    requests: list
    covers: set = field(default_factory=set)

    @property
    def end(self):
        """The node whose documents are the answer."""
        taken = {need for node in self.nodes if not node.floating for need in node.needs}
        ends = [n for n in self.nodes if not n.floating and n.name not in taken]
        assert len(ends) == 1, ends
        return ends[0]


def make(seed, settled):
    """The case of a number. `settled` says of a case and a request whether it is known what
    is answered."""
    rng = random.Random(seed)
    while True:
        endpoints = rng.choice(ENDPOINTS)
        case = Case(seed, flow(rng, endpoints), endpoints, [])
        if not schedule(rng, case.nodes):
            continue
        tries = 0
        wanted = rng.randint(4, 6)
        while len(case.requests) < wanted and tries < 5 * wanted:
            tries += 1
            made = request(rng, case)
            if settled(case, made):
                case.requests.append(made)
        if len(case.requests) == wanted:
            case.covers = covers(case)
            return case


# --- flows


def flow(rng, endpoints):
    """Nodes with their needs. One of them is the end."""
    shape = rng.choice(['chain', 'diamond', 'diamond', 'graph', 'graph', 'graph'])
    count = {'chain': rng.randint(1, 5), 'diamond': rng.randint(3, 7)}.get(shape)
    count = count or rng.choice([4, 5, 6, 6, 7, 8, 9, 10, MOST_EXECUTORS])
    nodes = []
    for index in range(count):
        last = index == count - 1
        name = rng.choice(['e', 'e', 'enc', 'enc', 'x', 'my_', 'a__']) + str(index)
        node = Node(name, needs(rng, shape, nodes, last), {}, {})
        # An executor that floats is never needed, and never the only one.
        if nodes and not last and not node.joins and rng.random() < 0.06:
            node.floating = True
        nodes.append(node)
    for node in nodes:
        node.config = {'step': rng.randint(1, 3), 'part': rng.randint(0, 2)}
        node.no_reduce = node.joins and rng.random() < 0.35
        sharded = sum(node.shards > 1 for node in nodes)
        if rng.random() < 0.2 and not node.floating and sharded < MOST_SHARDED:
            divide(rng, node, endpoints)
        elif rng.random() < 0.05:
            node.replicas = 2
        bind(rng, node, endpoints)
        if rng.random() < (0.2 if len(nodes) > 1 else 0.5):
            node.when = query(rng)
    return nodes


def needs(rng, shape, nodes, last):
    """What the next node takes its documents from."""
    if not nodes:
        return [GATEWAY]
    usable = [n.name for n in nodes if not n.floating]
    before = usable[-1]
    taken = {need for node in nodes if not node.floating for need in node.needs}
    open_ends = [name for name in usable if name not in taken]
    if last:
        if shape != 'chain' and len(open_ends) == 1 and rng.random() < 0.3:
            others = [name for name in [GATEWAY, *usable] if name not in open_ends]
            return open_ends + rng.sample(others, 1)
        return open_ends
    if shape == 'chain':
        return [before]
    if shape == 'diamond':
        # Up to three branches from one place, of some nodes each.
        return [before] if rng.random() < 0.4 else [rng.choice([GATEWAY, usable[0]])]
    chance = rng.random()
    if chance < 0.4:
        return [before]
    if chance < 0.5:
        return [GATEWAY]
    if chance < 0.65 or len(usable) < 2:
        return [rng.choice(usable)]
    return rng.sample([*usable, GATEWAY], min(len(usable), rng.choice([2, 2, 3])))


def divide(rng, node, endpoints):
    """Gives a node shards, and what is around them."""
    node.shards = rng.choice([2, 2, 3])
    table = {on: rng.choice(['ALL', 'ANY']) for on in endpoints if rng.random() < 0.6}
    if rng.random() < 0.3:
        table['*'] = rng.choice(['ALL', 'ANY'])
    node.polling = rng.choice([None, 'ALL', 'ALL', 'ANY', table or None, table or None])
    if not node.no_reduce and rng.random() < 0.3:
        node.before = around(rng, endpoints)
    if rng.random() < 0.4:
        node.after = around(rng, endpoints)


def bind(rng, node, endpoints):
    """Binds a node's methods."""
    for endpoint in endpoints:
        # What a table names has to be bound.
        named = isinstance(node.polling, dict) and endpoint in node.polling
        if named or rng.random() < 0.93:
            node.requests[endpoint] = method(rng, node, endpoint)
    # One that floats is always called: nobody knows when it would be passed by.
    if node.floating or rng.random() < 0.12:
        node.requests[DEFAULT] = method(rng, node, DEFAULT)


def method(rng, node, endpoint):
    """A method for an endpoint."""
    weights = dict(AT_JOINS if node.joins else COMMON)
    if node.shards > 1:
        weights = dict(IN_SHARDS)
        if endpoint == DEFAULT or not all(node.asks_all(endpoint, said) for said in (True, False)):
            # Which shard is asked is not known, so the answer must not depend on it.
            del weights['piece']
    if node.before is not None or node.after is not None:
        # What is around shards runs on Jina even if these fail.
        del weights['fail']
    return rng.choices(list(weights), list(weights.values()))[0]


def around(rng, endpoints):
    """What is bound before shards, or after them."""
    return {
        endpoint: rng.choices(list(AROUND), list(AROUND.values()))[0]
        for endpoint in endpoints
        if rng.random() < 0.8
    }


def schedule(rng, nodes):
    """Gives each node its turn, so that the answers that come together somewhere come one
    after the other. False if that takes too long."""
    extra = {node.name: rng.choice([1, 1, 2, 3]) for node in nodes}
    if any(node.joins for node in nodes):
        for _ in range(50):
            clash = turns(nodes, extra)
            if clash is None:
                break
            extra[clash] += 1
        if clash is not None or max(node.turn for node in nodes) > 20:
            return False
    for node in nodes:
        if node.floating:
            node.turn = AFTER_ALL
        # In most joins, the first need is the first to come.
        if rng.random() < 0.7:
            node.needs.sort(key=lambda need: turn_of(nodes, need))
    before = GATEWAY
    for node in nodes:
        node.silent = node.needs == [before] and rng.random() < 0.7
        if not node.floating:
            before = node.name
    return True


def turns(nodes, extra):
    """Gives each node its turn, so many after the last of what it needs. The name of one
    that has the turn of another and comes together with it, if there is one."""
    for node in nodes:
        taken = set()
        for need in node.needs:
            if turn_of(nodes, need) in taken:
                return need
            taken.add(turn_of(nodes, need))
        node.turn = max(taken) + extra[node.name]
    return None


def turn_of(nodes, name):
    return next((node.turn for node in nodes if node.name == name), 0)


# --- conditions


def query(rng, depth=0):
    """A condition on documents. In most, the operators fit the values."""
    if rng.random() < 0.03:
        return rng.choice([{'tags__lang': {'$lt': 3}}, {'weight': {'$gte': 'x'}}, {'tags__n': {'$regex': '1'}}])
    if depth < 2 and rng.random() < 0.35:
        combiner = rng.choice(['$and', '$or', '$not'])
        if combiner == '$not':
            return {'$not': query(rng, depth + 1)}
        return {combiner: [query(rng, depth + 1) for _ in range(rng.randint(2, 3))]}
    key, tests = rng.choice(
        [
            ('tags__n', [('$lt', 3), ('$lte', 2), ('$gt', 1), ('$gte', 4), ('$eq', 2), ('$neq', 2)]),
            ('tags__n', [('$in', [0, 1, 5]), ('$nin', [0, 1, 2]), ('$exists', True)]),
            ('tags__lang', [('$eq', 'en'), ('$neq', 'en'), ('$in', ['en', 'de']), ('$regex', '^e')]),
            ('tags__deep__a', [('$eq', 1), ('$exists', False), ('$gt', 0)]),
            ('text', [('$eq', 'hello'), ('$regex', 'l+'), ('$exists', True), ('$size', 5)]),
            ('text', [('$eq', '{tags__lang}'), ('$neq', '{uri}'), ('$gt', 'h')]),
            ('weight', [('$gte', 0.5), ('$lt', 1.0), ('$eq', 0.25), ('$exists', False)]),
            ('chunks', [('$size', 1), ('$exists', True)]),
            ('matches', [('$size', 0), ('$exists', False)]),
            ('embedding', [('$exists', True), ('$exists', False)]),
            ('blob', [('$exists', True), ('$size', 3)]),
            ('tensor', [('$exists', True)]),
            ('uri', [('$regex', 'png'), ('$exists', False)]),
            ('modality', [('$in', ['text', '']), ('$neq', 'text')]),
            ('id', [('$regex', '[02468]$'), ('$neq', 'd1')]),
            ('scores__near__value', [('$gt', 0.2)]),
            ('granularity', [('$eq', 0)]),
        ]
    )
    picked = dict(rng.sample(tests, 1 if rng.random() < 0.8 else min(2, len(tests))))
    condition = {key: picked}
    if rng.random() < 0.12:
        # Two fields, both of which have to hold.
        condition = {**query(rng, 2), **condition}
    return condition


# --- requests

WORDS = ['hello', 'a', 'grün', 'straße', 'Hello World', 'en', 'lull', '日本語', 'x' * 50]
LANGS = ['en', 'de', 'fr']


def request(rng, case):
    docs = DocumentArray()
    count = rng.choice([0, 1, 1, 2, 3, 4, 5, 8])
    for index in range(count):
        docs.append(document(rng, f'd{index}'))
    if count > 1 and rng.random() < 0.08:
        # Documents of one id.
        docs[-1].id = docs[0].id
        docs = DocumentArray(list(docs))
    names = [node.name for node in case.nodes]
    target = None
    if rng.random() < 0.15:
        target = rng.choice([rng.choice(names), 'e', 'enc|my', '.*[02468]', 'nobody', 'x$'])
    on = rng.choice([*case.endpoints * 8, *OWN, '/unknown', DEFAULT])
    made = Request(on, docs, parameters(rng, names), target)
    straight = not any(node.turn or node.replicas > 1 for node in case.nodes)
    if straight and rng.random() < 0.3:
        made.size = rng.randint(1, 3)
    return made


def parameters(rng, names):
    if rng.random() < 0.12:
        return None
    made = {}
    choices = [
        ('first', rng.randint(0, 5)),
        ('plain', rng.choice([1.5, 'text', None, True, [1, 'x', None], {'deep': {'er': [1]}}])),
        (f'{rng.choice(names)}__first', 7),
        (f'{rng.choice(names)}__only', 'this one'),
        ('nobody__first', 3),
        ('__private', 1),
        ('private__', [2]),
        (rng.choice(names), {'merged': 8, 'first': 4}),
    ]
    for key, value in rng.sample(choices, rng.randint(1, 4)):
        made[key] = value
    return made


def document(rng, id, depth=0):
    """A document with some fields of each kind."""
    doc = Document(id=id)
    content = rng.choice(['text', 'text', 'text', 'blob', 'tensor', None])
    if content == 'text':
        doc.text = rng.choice(WORDS)
    elif content == 'blob':
        doc.blob = bytes(rng.randrange(256) for _ in range(rng.choice([1, 3, 20])))
    elif content == 'tensor':
        doc.tensor = array(rng)
    if rng.random() < 0.8:
        doc.tags = {}
        if rng.random() < 0.8:
            doc.tags['n'] = rng.randint(0, 5)
        if rng.random() < 0.6:
            doc.tags['lang'] = rng.choice(LANGS)
        if rng.random() < 0.3:
            doc.tags['deep'] = {'a': rng.choice([0, 1]), 'list': [1, 'x', None, {'b': True}]}
        if rng.random() < 0.05:
            doc.tags['bad'] = True
        if rng.random() < 0.2:
            doc.tags['none'] = None
    some = lambda chance: rng.random() < chance  # noqa: E731
    if some(0.3):
        doc.embedding = array(rng)
    if some(0.4):
        doc.weight = rng.choice([0.25, 0.5, 1.0, -2.0, 1e10])
    if some(0.3):
        doc.uri = rng.choice(['picture.png', 'https://example.com/a', 'data:,x', 'a.unknown'])
    if some(0.2):
        doc.mime_type = rng.choice(['text/plain', 'image/png', 'application/x-own'])
    if some(0.2):
        doc.modality = rng.choice(['text', 'image'])
    if some(0.1):
        doc.offset = 0.5
    if some(0.1):
        doc.location = [1.0, 2.0, -0.5]
    if some(0.25):
        doc.scores['near'] = NamedScore(value=rng.choice([0.125, 0.5, 3.0]), op_name='op')
    if some(0.1):
        doc.evaluations['judged'] = NamedScore(value=1.0, description='well', ref_id='r')
    if depth < 2:
        for kind, short in (('chunks', 'c'), ('matches', 'm')):
            if some(0.15):
                count = rng.randint(1, 2)
                nested = [document(rng, f'{id}{short}{n}', depth + 1) for n in range(count)]
                setattr(doc, kind, nested)
    return doc


def array(rng):
    kind = rng.choice(['<f4', '<f8', '<i8', '|u1', '<i2', '|b1'])
    # docarray forgets the type of an empty one.
    shape = rng.choice([(3,), (2, 2), (1, 4), (1,)])
    size = int(np.prod(shape))
    return np.array([rng.randint(0, 9) for _ in range(size)]).astype(kind).reshape(shape)


# What is known of a case only when it has run.
FAILURE = 'a failure'

# What a case can be a test of.
MARKS = [
    'chain', 'branch', 'join', 'no_reduce', 'filter', 'filter at a join', 'floating', 'replicas',
    'shards', 'a request to all shards', 'uses_before', 'uses_after', 'eight or more executors',
    'needs in another order than they come', FAILURE, 'target_executor',
    'several messages in one call', 'documents of one id', 'no documents',
]  # fmt: skip


def covers(case):
    """What a case is a test of."""
    nodes = case.nodes
    splits = [need for node in nodes if not node.floating for need in node.needs]
    marks = {
        'chain': not any(node.joins for node in nodes) and len(set(splits)) == len(splits),
        'branch': len(set(splits)) < len(splits),
        'join': any(node.joins for node in nodes),
        'no_reduce': any(node.no_reduce for node in nodes),
        'filter': any(node.when for node in nodes),
        'filter at a join': any(node.when and node.joins for node in nodes),
        'floating': any(node.floating for node in nodes),
        'replicas': any(node.replicas > 1 for node in nodes),
        'shards': any(node.shards > 1 for node in nodes),
        'a request to all shards': any(
            node.asks_all(request.on, True) for node in nodes for request in case.requests
        ),
        'uses_before': any(node.before is not None for node in nodes),
        'uses_after': any(node.after is not None for node in nodes),
        'eight or more executors': len(nodes) >= 8,
        'needs in another order than they come': out_of_order(nodes),
        'target_executor': any(request.target for request in case.requests),
        'several messages in one call': any(len(r.messages()) > 1 for r in case.requests),
        'documents of one id': any(
            len(set(r.docs[:, 'id'])) < len(r.docs) for r in case.requests if len(r.docs)
        ),
        'no documents': any(not len(request.docs) for request in case.requests),
    }
    assert {*marks, FAILURE} == set(MARKS)
    return {name for name, holds in marks.items() if holds}


def out_of_order(nodes):
    orders = [[turn_of(nodes, need) for need in node.needs] for node in nodes]
    return any(order != sorted(order) for order in orders)
