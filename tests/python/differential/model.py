"""What the real Jina and wasm-flow answer to a request, by their rules.

`answers(case, request, rows)` follows a request through a flow. With no rows it is Jina's
way, close to its `TopologyGraph`: requests are objects that branches share, and that are
changed in place. Each row of the table in docs/flows.md that is given is taken
wasm-flow's way instead. With all of them it is wasm-flow's.
"""

import collections
import copy
import dataclasses
import re

from docarray import DocumentArray
from docarray.array.queryset import QueryParser
from docarray.array.queryset.lookup import LookupNode
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict
from jina.serve.runtimes.helper import _is_param_for_specific_executor as is_addressed
from jina.serve.runtimes.helper import _parse_specific_params as addressed_by_jina

import twins

from . import sides
from .answers import Answer, Route
from .case import GATEWAY

# The rows of the table in docs/flows.md that random flows meet, by their first cell.
ORDER = 'which branch counts at a join'
CONTENT = 'text, blob and tensor at a join'
WHEN = '`when` at a join'
ONE_ID = 'documents of one branch that have one id, at a join'
MIME = 'a URI that a join takes'
BRANCHES = 'an object of parameters for one executor, in branches'
SHARED = 'documents that go to a join and elsewhere'
TARGET = 'a join that `target_executor` leaves out'
UNBOUND_JOIN = 'a join with `no_reduce` that binds nothing to the endpoint'
UNBOUND_WHEN = 'an executor with `when` that binds nothing to the endpoint'
UNBOUND_ROUTE = 'the route of an executor that binds nothing to the endpoint'
MATRIX = '`docs_matrix` at a join that puts documents together'
EMPTY_MATRIX = '`docs_matrix` if there are no documents'
MAP = 'the names in `docs_map`'
RESULTS = '`__results__` among the parameters of a method'
ECHO = 'the parameters of the answer'
FAILED_DOCS = 'the documents of a failure at a join with `no_reduce`'
FAILED_BRANCH = 'after a failure in a branch'
REPLICA = 'which replica is called'
MISFIT = 'a condition whose operator does not fit the value, as `<` between a number and a text'
POLLING = '`polling = "ALL"` or `"ANY"`, and `*` in a table'
SHARD = 'which shard is called with `ANY`'
UNBOUND_SHARDS = 'an executor with shards that binds nothing to the endpoint'
SHARD_FAILS = 'one of several shards that were asked fails'
SHARD_RESULTS = '`__results__` of several shards, if there is a `uses_after`'
SHARD_MAP = '`docs_map` in `uses_after`'
AFTER_UNBOUND = 'documents of several shards, if `uses_after` binds nothing to the endpoint'
SHARDS_APART = '`no_reduce` of an executor with shards'
NAMES = 'parameters for an executor whose name has `__`'
REBOUND = 'a method of several endpoints that `uses_requests` binds to another'

ROWS = [
    ORDER, CONTENT, WHEN, ONE_ID, MIME, SHARED, BRANCHES, TARGET, UNBOUND_JOIN, UNBOUND_WHEN,
    UNBOUND_ROUTE, MATRIX, EMPTY_MATRIX, MAP, RESULTS, ECHO, FAILED_DOCS, MISFIT, NAMES, REBOUND,
    POLLING, UNBOUND_SHARDS, SHARD_FAILS, SHARD_RESULTS, SHARD_MAP, AFTER_UNBOUND, SHARDS_APART,
]  # fmt: skip

# Those that the comparison itself knows.
BESIDE = [FAILED_BRANCH, REPLICA, SHARD]

# In turns: how long it takes until what is sent is read, and to be passed by.
AT_ONCE = 0.0001
A_MOMENT = 0.001


class Ambiguous(Exception):
    """The order of what happens is not known."""


class Broken(Exception):
    """The gateway itself fails, and the whole call with it."""


class Parcel:
    """A request on its way, as Jina's gateway holds it."""

    def __init__(self, docs, parameters, routes=(GATEWAY,)):
        self.proto = docs
        self.parameters = parameters
        # The executors that were called on the way.
        self.routes = list(routes)
        self.failure = None
        # What methods returned, by who did.
        self.results = {}
        # The times at which executors took it, and what had come last to each.
        self.taken = []
        self._docs = None

    @property
    def last(self):
        return self.routes[-1]

    @property
    def docs(self):
        # Jina's are read once, and an empty array is read again.
        if not self._docs:
            self._docs = DocumentArray.from_protobuf(self.proto)
        return self._docs

    @docs.setter
    def docs(self, docs):
        self.proto = docs.to_protobuf()
        self._docs = None

    def __deepcopy__(self, _):
        copied = Parcel(copy.deepcopy(self.proto), copy.deepcopy(self.parameters), self.routes)
        copied.failure = self.failure
        copied.results = dict(self.results)
        return copied


class Visit:
    """What has come to a node."""

    def __init__(self):
        self.parts = []  # need, parcel
        self.started = False
        self.ended = False


def answers(case, request, rows):
    """What is answered to each message of a request, as an `Answer`."""
    messages = [dataclasses.replace(request, docs=docs) for docs in request.messages()]
    answers = [_Run(case, message, rows).go() for message in messages]
    broken = Answer.broken()
    return [broken] * len(answers) if broken in answers else answers


def order(case, request):
    """The names of the executors in the order in which their answers come on Jina, after
    the gateway's."""
    run = _Run(case, request, ())
    run.go()
    return list(run.times)


class _Run:
    def __init__(self, case, request, rows):
        self.case = case
        self.request = request
        self.rows = set(rows)
        self.inputs = as_sent(request.parameters)
        self.addressed = any(is_addressed(key) for key in self.inputs)
        self.visits = collections.defaultdict(Visit)
        self.results = {}
        self.failed = None
        self.answer = None
        self.events = []
        self.sequence = 0
        # When each node's answer comes.
        self.times = {GATEWAY: 0.0}

    # --- events, in the order of time

    def go(self):
        try:
            return self.follow()
        except Broken:
            return Answer.broken()

    def follow(self):
        first = Parcel(self.request.docs.to_protobuf(), copy.deepcopy(self.inputs))
        self.pass_on(GATEWAY, first, 0.0)
        while self.events:
            self.events.sort(key=lambda event: event[:2])
            time, _, act = self.events.pop(0)
            act(time)
        return self.finish()

    def at(self, time, act):
        self.sequence += 1
        self.events.append((time, self.sequence, act))

    def successors(self, name):
        return [node for node in self.case.nodes if name in node.needs]

    def pass_on(self, name, parcel, time):
        """An answer goes to all who need it."""
        self.times[name] = time
        successors = self.successors(name)
        ways = len(successors) + (name == self.case.end.name)
        for node in successors:
            copies = ways > 1 and self.addressed
            self.at(time, lambda time, node=node: self.arrive(node, name, parcel, copies, time))
        if name == self.case.end.name:
            self.answer = parcel

    def arrive(self, node, need, parcel, copies, time):
        if parcel.failure:
            # It goes by all that come after.
            self.pass_failure_on(node, parcel, time)
            return
        parcel.parameters = self.parameters_for(node, parcel.parameters)
        visit = self.visits[node.name]
        visit.parts.append((need, copy.deepcopy(parcel) if copies else parcel))
        if len(visit.parts) == len(node.needs):
            self.visit(node, visit, need, parcel, copies, time)

    def pass_failure_on(self, node, parcel, time):
        if node.name == self.case.end.name:
            self.answer = parcel
        for successor in self.successors(node.name):
            self.arrive(successor, node.name, parcel, False, time)

    # --- a node

    def visit(self, node, visit, need, last, copies, time):
        visit.started = True
        parts = visit.parts
        self.check_order(node)
        for _, parcel in parts:
            self.check_taken(parcel, need, time)
        if ORDER in self.rows:
            parts.sort(key=lambda part: node.needs.index(part[0]))
        for _, parcel in parts:
            parcel.parameters = self.parameters_for(node, self.inputs)
        method = node.method(self.request.on, REBOUND in self.rows)
        binds = method or self.around(node, 'before') or self.around(node, 'after')
        is_meant = not self.request.target or re.match(self.request.target, node.name)
        if node.floating and is_meant:
            # Nobody learns what comes of it.
            return
        # The documents of each need, as they came.
        untouched = [copy.deepcopy(parcel) for _, parcel in parts]

        when_late = node.when and node.joins and WHEN in self.rows
        sent = [parcel for _, parcel in parts]
        if node.when and not when_late:
            sent = [self.filtered(node, parcel, copies) for parcel in sent]
        apart = None
        if node.joins and not node.no_reduce:
            if MATRIX in self.rows:
                apart = [copy.deepcopy(parcel) for parcel in sent]
            if SHARED in self.rows:
                sent = [copy.deepcopy(parcel) for parcel in sent]
            sent = [self.reduce(sent)]
        if when_late:
            sent = [self.filtered(node, parcel, False) for parcel in sent]
            apart = apart and [self.filtered(node, parcel, False) for parcel in apart]

        if not is_meant:
            self.left_out(node, last, untouched, time)
            return
        if not binds:
            self.not_bound(node, visit, sent, untouched, time)
            return
        # It answers in its turn, which nothing that it needs has.
        answers_at = float(node.turn) if node.turn else time + A_MOMENT
        if answers_at <= time:
            raise Ambiguous(f'{node.name} is late')
        if BRANCHES in self.rows:
            sent = [copy.deepcopy(parcel) for parcel in sent]
        needs = [need for need, _ in parts]

        def call(_):
            parcel = self.call(node, method, sent, apart or sent, needs)
            self.at(answers_at, lambda time: self.answered(node, visit, parcel, time))

        # Jina sends it once all that take the same documents have begun.
        self.at(time + AT_ONCE, call)

    def left_out(self, node, last, untouched, time):
        """`target_executor` does not name it: what came last goes on."""
        if TARGET in self.rows and node.joins:
            last = self.put_together(node, untouched)
        if ECHO in self.rows:
            last = copy.deepcopy(last)
            last.parameters = copy.deepcopy(self.inputs)
        self.pass_on(node.name, last, time)

    def not_bound(self, node, visit, sent, untouched, time):
        """Jina sends the documents all the same, and gets back those of the first part."""
        parcel = copy.deepcopy(sent[0])
        if node.shards > 1 and UNBOUND_SHARDS not in self.rows:
            parcel = self.ask_shards(node, None, sent, sent, [])
        if node.when and UNBOUND_WHEN in self.rows:
            sent = untouched
            if node.joins and not node.no_reduce:
                sent = [self.put_together(node, untouched)]
            parcel.docs = sent[0].docs
        if len(sent) > 1 and UNBOUND_JOIN in self.rows:
            parcel.docs = concatenated(sent)
        parcel.parameters = copy.deepcopy(self.inputs)
        visit.ended = UNBOUND_ROUTE not in self.rows
        self.at(time + A_MOMENT, lambda time: self.pass_on(node.name, parcel, time))

    def call(self, node, method, sent, apart, needs):
        """A call of a node: what goes on, and its results. `apart` has the documents by
        predecessor."""
        if node.shards > 1:
            parcel = self.ask_shards(node, method, sent, apart, needs)
        else:
            parcel = self.work(node, method, 'rep-0', sent, apart, needs if MAP in self.rows else None)
        parcel.parameters = copy.deepcopy(self.inputs)
        row = SHARD_FAILS if node.shards > 1 else FAILED_DOCS
        if parcel.failure and row in self.rows:
            parcel.docs = concatenated(sent)
        return parcel

    def work(self, node, method, who, sent, apart, names=None, shard=0):
        """What one instance makes of parcels. Without `names` for the predecessors, those
        of the executors that were called last."""
        docs = concatenated(sent)
        names = names or [parcel.last for parcel in apart]
        matrix = [DocumentArray.from_protobuf(parcel.proto) for parcel in apart]
        by_name = dict(zip(names, matrix))
        if EMPTY_MATRIX not in self.rows and not any(len(docs) for docs in matrix):
            matrix = None
        routes = [*sent[0].routes, node.name]
        parcel = Parcel(sent[0].proto, copy.deepcopy(sent[0].parameters), routes)
        parcel.results = dict(sent[0].results)
        seen = copy.deepcopy(parcel.parameters)
        if RESULTS in self.rows:
            seen.pop('__results__', None)
        elif parcel.results:
            seen['__results__'] = copy.deepcopy(parcel.results)
        call = twins.Call(node.name, node.config, seen, matrix, by_name, shard)
        try:
            returned = twins.METHODS[method](docs, call)
        except Exception as error:
            parcel.failure = {
                'name': type(error).__name__,
                'args': [str(arg) for arg in error.args],
                'executor': twins.Twin.__name__,
            }
            return parcel
        if isinstance(returned, dict):
            parcel.results[f'{node.name}/{who}'] = as_struct(returned)
            returned = None
        parcel.docs = docs if returned is None else returned
        return parcel

    def around(self, node, place):
        """The method of what is before a node's shards, or after them, if there is one."""
        bound = getattr(node, place)
        return None if bound is None else sides.bound_around(bound).get(self.request.on)

    def ask_shards(self, node, method, sent, apart, needs):
        """What shards, and what is around them, make of parcels."""
        names = needs if MAP in self.rows else None
        if apart is sent:
            # Jina takes the first part for one that the executors of all have called.
            first = copy.deepcopy(sent[0])
            first.routes = list(dict.fromkeys(name for parcel in sent for name in parcel.routes))
            sent = apart = [first, *sent[1:]]
        if before := self.around(node, 'before'):
            sent = apart = [self.work(node, before, 'uses_before-0', sent, apart, names)]
            names = names and [f'{node.name}/uses_before']
        asked = range(node.shards if node.asks_all(self.request.on, POLLING in self.rows) else 1)
        if method:
            replies = []
            for n in asked:
                who = f'shard-{n}/rep-0'
                replies.append(self.work(node, method, who, sent, apart, names, shard=n))
            names = [f'{node.name}/shard-{n}' for n in asked]
            apart = replies
        elif UNBOUND_SHARDS in self.rows:
            replies = sent
        else:
            apart = replies = [copy.deepcopy(sent[0]) for _ in asked]
        results = {key: value for reply in replies for key, value in reply.results.items()}
        failure = replies[0].failure
        is_after = node.after is not None and not (failure and SHARD_FAILS in self.rows)
        if after := is_after and self.around(node, 'after'):
            names = names if SHARD_MAP in self.rows else None
            parcel = self.work(node, after, 'uses_after-0', replies, apart, names)
        elif len(replies) == 1 or is_after and AFTER_UNBOUND not in self.rows:
            parcel = replies[0]
        elif node.no_reduce and SHARDS_APART not in self.rows:
            parcel = replies[0]
            parcel.docs = concatenated(sent)
        else:
            parcel = self.reduce(replies)
            parcel.results = results
        if SHARDS_APART in self.rows or SHARD_RESULTS in self.rows and node.after is not None:
            parcel.results = {**results, **parcel.results}
        parcel.failure = failure
        return parcel

    def answered(self, node, visit, parcel, time):
        visit.ended = True
        self.results.update(parcel.results)
        parcel.results = {}
        if parcel.failure:
            if self.failed:
                raise Ambiguous('two failures')
            self.failed = node.name
        self.pass_on(node.name, parcel, time)

    # --- documents

    def filtered(self, node, parcel, in_place):
        parcel = parcel if in_place else copy.deepcopy(parcel)
        parcel.docs = self.find(parcel.docs, node.when)
        return parcel

    def reduce(self, parcels):
        """Puts parcels together, in the first of them, as Jina does."""
        first = parcels[0]
        docs = first.docs
        for parcel in parcels[1:]:
            reduce_into(docs, parcel.docs, self.rows)
        first.docs = docs
        first.parameters.setdefault('__results__', {})
        return first

    def put_together(self, node, parcels):
        """The documents of several needs, wasm-flow's way."""
        if not node.no_reduce:
            return self.reduce(parcels)
        parcels[0].docs = concatenated(parcels)
        return parcels[0]

    def find(self, docs, query):
        """The documents for which a condition holds."""
        tree = QueryParser(query).lookup_groups
        try:
            found = [doc for doc in docs if holds(tree, doc, MISFIT in self.rows)]
        except TypeError as error:
            raise Broken from error
        return DocumentArray(found)

    def parameters_for(self, node, parameters):
        seen = addressed_by_jina(parameters, node.name)
        if NAMES in self.rows and '__' in node.name:
            # Jina takes them for those of an executor without the underscores.
            start = f'{node.name}__'
            own = {k[len(start) :]: v for k, v in parameters.items() if k.startswith(start)}
            seen = {**seen, **own, **(parameters.get(node.name) or {})}
        return seen

    def check_order(self, node):
        """Answers that come within one turn come in no order, unless one is there because
        the other is."""
        times = sorted((self.times[need], need) for need in node.needs)
        for (early, one), (late, other) in zip(times, times[1:]):
            if int(early) == int(late) and not self.leads(one, other):
                raise Ambiguous(f'{one} and {other} come to {node.name} at once')

    def check_taken(self, parcel, need, time):
        """A join changes what others may take: it has to be known who is first."""
        for before, other in parcel.taken:
            known = need == other or self.leads(need, other) or self.leads(other, need)
            if int(before) == int(time) and not known:
                raise Ambiguous(f'{need} and {other} come at once')
        parcel.taken.append((time, need))

    def leads(self, one, other):
        nodes = {node.name: node for node in self.case.nodes}
        return other != GATEWAY and (
            one in nodes[other].needs or any(self.leads(one, n) for n in nodes[other].needs)
        )

    # --- the answer

    def finish(self):
        parcel = self.answer
        assert parcel is not None, 'the request ended nowhere'
        docs = parcel.docs
        if any(node.when for node in self.case.nodes):
            ids = self.request.docs[:, 'id']
            place = lambda doc: ids.index(doc.id) if doc.id in ids else len(ids)  # noqa: E731
            docs = DocumentArray(sorted(docs, key=place))
        parameters = copy.deepcopy(parcel.parameters)
        parameters.pop('__results__', None)
        return Answer(
            endpoint=self.request.on,
            docs=docs.to_protobuf(),
            parameters=parameters,
            results=self.results,
            routes=self.routes(),
            failure=parcel.failure,
            certain=self.certain(),
        )

    def certain(self):
        """If the request failed: the executors that come before the one that did, and it.
        How far the others have come when it is known is different each time."""
        if not self.failed:
            return None
        others = {node.name for node in self.case.nodes}
        before = {name for name in others if self.leads(name, self.failed)}
        return {GATEWAY, self.failed, *before}

    def routes(self):
        """A walk from the gateway, depth first."""
        walked = [Route(GATEWAY, True, False)]

        def walk(node):
            visit = self.visits[node.name]
            known = any(route.executor == node.name for route in walked)
            if visit.started and not known:
                walked.append(Route(node.name, visit.ended, self.failed == node.name))
            for successor in self.successors(node.name):
                walk(successor)

        for node in self.successors(GATEWAY):
            walk(node)
        return walked


def holds(condition, doc, a_misfit_is_none):
    """docarray's conditions. With `a_misfit_is_none`, one whose operator does not fit the
    value does not hold."""
    if isinstance(condition, LookupNode):
        some = (holds(child, doc, a_misfit_is_none) for child in condition.children)
        return (any(some) if condition.op == 'or' else all(some)) != condition.negate
    try:
        return condition.evaluate(doc)
    except TypeError:
        if a_misfit_is_none:
            return False
        raise


def concatenated(parcels):
    return DocumentArray(
        doc for parcel in parcels for doc in DocumentArray.from_protobuf(parcel.proto)
    )


def reduce_into(docs, others, rows):
    """docarray's `DocumentArray.reduce`, and wasm-flow's."""
    met = collections.Counter()
    for other in others:
        if ONE_ID in rows:
            # The first of an id is one with the first, the second with the second.
            own = [doc for doc in docs if doc.id == other.id]
            known = own[met[other.id]] if met[other.id] < len(own) else None
            met[other.id] += 1
        else:
            known = docs[other.id] if other.id in docs else None
        if known is None:
            docs.append(other)
        else:
            merge(known, other, rows)


def merge(doc, other, rows):
    content = {'text', 'blob', 'tensor'}
    own = set(doc.non_empty_fields)
    taken = set(other.non_empty_fields) - own - {'matches', 'chunks', 'id', 'parent_id'}
    if CONTENT in rows and own & content:
        taken -= content
    for name in taken:
        if MIME in rows and name == 'uri':
            doc._data.uri = other.uri
        else:
            setattr(doc, name, getattr(other, name))
    for name in ('matches', 'chunks'):
        nested = getattr(other, name)
        if len(nested) > 0:
            reduce_into(getattr(doc, name), nested, rows)


def as_struct(values):
    """Values as protobuf has them."""
    made = struct_pb2.Struct()
    made.update(values)
    return MessageToDict(made)


def as_sent(parameters):
    """What a client sends if it is given these."""
    return as_struct(parameters or {'__results__': {}})
