"""Answers in a form that can be compared."""

import collections
import re
from dataclasses import dataclass
from typing import Optional

import numpy as np
from docarray import DocumentArray
from jina.proto import jina_pb2


@dataclass(frozen=True)
class Route:
    """What an answer says of an executor that a request came to."""

    executor: str
    ended: bool
    failed: bool
    # When it ended, or began if it did not, in nanoseconds.
    at: int = 0

    @staticmethod
    def of(route):
        """The route in a response."""
        ended = route.HasField('end_time')
        at = route.end_time if ended else route.start_time
        failed = route.status.code == jina_pb2.StatusProto.ERROR
        return Route(route.executor, ended, failed, at.ToNanoseconds())


@dataclass
class Answer:
    """An answer to one message."""

    endpoint: str
    docs: object  # a DocumentArrayProto
    parameters: dict
    results: dict
    routes: list
    failure: Optional[dict]
    # The executors whose routes and results are known, if those of others are not.
    certain: Optional[set] = None

    @staticmethod
    def of(response):
        """The answer in a response."""
        header = response.header
        failure = None
        if header.status.code == jina_pb2.StatusProto.ERROR:
            exception = header.status.exception
            failure = {
                'name': exception.name,
                'args': list(exception.args),
                'executor': exception.executor,
            }
        parameters = dict(response.parameters)
        results = parameters.pop('__results__', {})
        return Answer(
            endpoint=header.exec_endpoint,
            docs=response.proto.data.docs,
            parameters=parameters,
            results=results,
            routes=[Route.of(route) for route in response.routes],
            failure=failure,
        )

    @staticmethod
    def broken():
        """In place of an answer: the whole call failed."""
        docs = DocumentArray().to_protobuf()
        return Answer('', docs, {}, {}, [], {'name': 'the call', 'args': [], 'executor': ''})

    def plain(self, only=None):
        """As values of Python. `only` names the executors whose routes and results count;
        without it, those of all do."""

        def counts(name):
            return only is None or name.split('/')[0] in only

        return {
            'endpoint': self.endpoint,
            'failure': self.failure,
            'docs': documents(self.docs),
            'parameters': self.parameters,
            'results': {name: value for name, value in self.results.items() if counts(name)},
            'routes': {
                route.executor: {
                    # A gateway's route ends when the answer goes out.
                    'ended': route.ended or route.executor == 'gateway',
                    'failed': route.failed,
                }
                for route in self.routes
                if counts(route.executor)
            },
            'order of routes': [r.executor for r in self.routes if counts(r.executor)],
        }


def documents(proto):
    """Documents as a client that decodes them has them."""
    return [document(doc) for doc in DocumentArray.from_protobuf(proto)]


def document(doc):
    made = {}
    for name in doc.non_empty_fields:
        value = getattr(doc, name)
        if name in ('chunks', 'matches'):
            value = [document(nested) for nested in value]
        elif name in ('scores', 'evaluations'):
            value = {key: score(each) for key, each in value.items()}
        elif name in ('tensor', 'embedding'):
            value = array(value)
        elif isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, float):
            # On the wire it is a float of 32 bits.
            value = float(np.float32(value))
        made[name] = value
    return made


def count(docs):
    """How many documents there are, with those inside of them."""
    return sum(1 + count(doc.get('chunks', [])) + count(doc.get('matches', [])) for doc in docs)


def score(each):
    # What is not set is what it is by default.
    return {
        'value': float(np.float32(each.value or 0.0)),
        'op_name': each.op_name or '',
        'description': each.description or '',
        'ref_id': each.ref_id or '',
    }


def array(value):
    value = np.asarray(value)
    return {'dtype': value.dtype.str, 'shape': list(value.shape), 'bytes': value.tobytes().hex()}


def any_replica(plain, names):
    """The results of these executors, without the number of the replica."""
    results = {
        re.sub(r'/rep-\d+$', '/rep-0', key) if key.split('/')[0] in names else key: value
        for key, value in plain['results'].items()
    }
    return {**plain, 'results': results}


def any_shard(plain, names):
    """The results of these executors, without the number of the shard, if one alone was
    asked. What they saw of each other may have it, too."""

    def numberless(table):
        counts = collections.Counter(key.split('/')[0] for key in table if '/shard-' in key)
        alone = {name for name in names if counts[name] == 1}
        return {
            re.sub(r'/shard-\d+', '/shard-0', key) if key.split('/')[0] in alone else key: value
            for key, value in table.items()
        }

    def told(results):
        """Results, and what is in them of those before them."""
        made = {}
        for key, value in numberless(results).items():
            if 'map' in value:
                parameters = value['parameters']
                if '__results__' in parameters:
                    parameters = {**parameters, '__results__': told(parameters['__results__'])}
                value = {**value, 'map': numberless(value['map']), 'parameters': parameters}
            made[key] = value
        return made

    return {**plain, 'results': told(plain['results'])}


NOTHING = '(nothing)'


def differences(one, other, path=''):
    """Where two values differ: lists of a path and the two values there."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in sorted({*one, *other}):
            below = f'{path}.{key}' if path else key
            found += differences(one.get(key, NOTHING), other.get(key, NOTHING), below)
        return found
    if isinstance(one, list) and isinstance(other, list):
        found = []
        for place in range(max(len(one), len(other))):
            left = one[place] if place < len(one) else NOTHING
            right = other[place] if place < len(other) else NOTHING
            found += differences(left, right, f'{path}[{place}]')
        return found
    # True is not 1, and 1 is 1.0.
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return [] if same else [(path, one, other)]
