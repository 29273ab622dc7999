"""What the tests' Python snippets have at hand.

A snippet is run as `from wf import *` followed by itself. It finds the server's
port in PORT, sends documents with the real `jina.Client` (`client`) or raw bytes
over plain gRPC (`raw`), and gives its result with `answer(value)`: JSON, once.
"""

import json
import os
import sys
import time

import grpc
import jina
import numpy as np
from docarray import Document, DocumentArray
from google.protobuf import json_format
from jina.excepts import BadServer, BadServerFlow
from jina.proto import jina_pb2

PORT = int(os.environ.get('WASM_FLOW_TEST_PORT', '0'))
TESTDATA = os.path.join(os.path.dirname(__file__), '..', 'testdata')

UNARY = '/jina.JinaSingleDataRequestRPC/process_single_data'
STREAM = '/jina.JinaRPC/Call'


def answer(value):
    """Gives the snippet's result to the test."""
    with open(os.environ['WASM_FLOW_TEST_ANSWER'], 'w') as file:
        json.dump(value, file)


def client(**arguments):
    """The real client, as a user makes it."""
    return jina.Client(port=PORT, **arguments)


def texts(*values):
    return DocumentArray([Document(text=value) for value in values])


def channel():
    return grpc.insecure_channel(
        f'127.0.0.1:{PORT}',
        options=[('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)],
    )


def raw(body, method=UNARY, timeout=30):
    """Sends bytes as they are. What comes back: {'status': name, 'details': ...}
    where gRPC itself reports an error, else the decoded response under 'response'."""
    if not isinstance(body, bytes):
        body = body.SerializeToString()
    with channel() as c:
        try:
            if method == STREAM:
                got = list(c.stream_stream(method)(iter([body]), timeout=timeout))
                got = got[0]
            else:
                got = c.unary_unary(method)(body, timeout=timeout)
        except grpc.RpcError as error:
            return {'status': error.code().name, 'details': error.details()}
    response = jina_pb2.DataRequestProto()
    response.ParseFromString(got)
    return {'status': 'OK', 'response': response}


def told(result):
    """A raw result as JSON: gRPC's status, or the response's header and texts."""
    if 'response' not in result:
        return result
    response = result['response']
    return {
        'status': 'OK',
        'code': response.header.status.code,
        'description': response.header.status.description,
        'exception': json_format.MessageToDict(response.header.status.exception),
        'request_id': response.header.request_id,
        'texts': [doc.text for doc in response.data.docs.docs],
    }


def request(on='/ok', docs=(), **header):
    """A DataRequestProto."""
    made = jina_pb2.DataRequestProto()
    made.header.request_id = header.get('request_id', 'a' * 32)
    if on is not None:
        made.header.exec_endpoint = on
    made.data.docs.SetInParent()
    made.data.docs.docs.extend(DocumentArray(docs).to_protobuf().docs)
    return made


def responses(on, inputs=None, **arguments):
    """Posts, and gives the whole responses, failed ones too."""
    return client().post(on, inputs, return_responses=True, on_error=lambda response: None, **arguments)


def results(on, inputs=None, **arguments):
    """`__results__` of the one response."""
    (response,) = responses(on, inputs, **arguments)
    return dict(response.parameters).get('__results__', {})


def failed(call):
    """The error that a call raises, as JSON; None where it raises none."""
    try:
        call()
    except BadServer as error:
        header = error.args[0]
        return {
            'class': 'BadServer',
            'code': header.status.code,
            'description': header.status.description,
            'name': header.status.exception.name,
            'args': list(header.status.exception.args),
            'stacks': list(header.status.exception.stacks),
            'executor': header.status.exception.executor,
        }
    except Exception as error:
        return {'class': type(error).__name__, 'description': str(error)}
    return None


def document(doc):
    """A document proto as JSON, every field that is set."""
    return json_format.MessageToDict(doc, preserving_proto_field_name=True)


def exact(docs):
    """Documents as their deterministic bytes, in hex."""
    return [doc.to_protobuf().SerializeToString(deterministic=True).hex() for doc in docs]
