"""The two sides: a flow on the real Jina, and the same on wasm-flow."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time

import twins

BARE = re.compile('[A-Za-z0-9_-]+')


def post(port, request):
    """The answers to a request: one for each message, in their order."""
    import grpc
    import jina

    from .answers import Answer

    try:
        if request.size < len(request.docs):
            responses = stream(port, request)
        else:
            responses = jina.Client(port=port, host='127.0.0.1').post(
                request.on,
                request.docs,
                parameters=request.parameters,
                target_executor=request.target,
                return_responses=True,
                on_error=lambda response: None,
            )
    except (jina.excepts.BadServerFlow, grpc.RpcError):
        return [Answer.broken() for _ in request.messages()]
    return [Answer.of(response) for response in responses]


def stream(port, request):
    """The client's messages in one call. Without the client, whose `results_in_order` now
    and then waits for ever on the real Jina."""
    import grpc
    from jina.clients.request import request_generator
    from jina.types.request.data import Response

    messages = list(
        request_generator(
            request.on,
            request.docs,
            request_size=request.size,
            target_executor=request.target,
            # As the client has it.
            parameters=request.parameters or {'__results__': {}},
        )
    )
    with grpc.insecure_channel(f'127.0.0.1:{port}') as channel:
        call = channel.stream_stream('/jina.JinaRPC/Call', None, Response)
        sent = iter([message.proto.SerializeToString() for message in messages])
        responses = {r.header.request_id: r for r in call(sent, timeout=60)}
    return [responses[message.header.request_id] for message in messages]


# --- Jina


def jina_arguments(node):
    """What `Flow.add` is given for a node."""
    arguments = {'name': node.name}
    if not node.silent:
        arguments['needs'] = node.needs
    uses_with = {'config': node.config}
    if node.turn:
        uses_with['turn'] = node.turn
    arguments['uses_with'] = uses_with
    if node.requests:
        arguments['uses_requests'] = node.requests
    if node.when:
        arguments['when'] = node.when
    for key in ('no_reduce', 'floating'):
        if getattr(node, key):
            arguments[key] = True
    for key in ('replicas', 'shards'):
        if getattr(node, key) > 1:
            arguments[key] = getattr(node, key)
    if node.polling:
        arguments['polling'] = node.polling
    return arguments


def around(node):
    """What is around a node's shards, by the key that has it."""
    parts = {'uses_before': node.before, 'uses_after': node.after}
    return {key: bound for key, bound in parts.items() if bound is not None}


def jina_around(node):
    """What is around a node's shards, as `Flow.add` is given it."""
    return {
        key: twins.around(f'{node.name}_{key}', bound_around(bound))
        for key, bound in around(node).items()
    }


def bound_around(bound):
    """What an executor around shards binds: its methods lose endpoints of their own."""
    own = {on: method for on, method in twins.OWN.items() if method not in bound.values()}
    return {**own, **bound}


def jina_source(case):
    """The flow as somebody would write it."""
    lines = ['Flow()']
    for node in case.nodes:
        arguments = [f'{key}={value!r}' for key, value in jina_arguments(node).items()]
        for key, bound in around(node).items():
            arguments.append(f'{key}=twins.around({key!r}, {bound_around(bound)!r})')
        arguments = ', '.join(arguments)
        lines.append(f'    .add(uses=twins.Twin, {arguments})')
    return ' \\\n'.join(lines)


def start_jina(case, turn):
    """Starts the flow on the real Jina: the port that it is served on. A turn takes `turn`
    seconds. It is not stopped, which sometimes takes for ever after floating executors:
    its processes end with the group that they are in."""
    import jina

    twins.CLOCK[1] = turn
    local = {'host': '127.0.0.1', 'quiet': True, 'quiet_error': True}
    flow = jina.Flow(**local)
    for node in case.nodes:
        flow = flow.add(uses=twins.Twin, **jina_arguments(node), **jina_around(node), **local)
    return flow.start().port


def begin():
    """From now on turns are counted."""
    twins.CLOCK[0] = time.monotonic()


# --- wasm-flow


def toml(value):
    """A value in TOML, on one line."""
    if isinstance(value, dict):
        pairs = [f'{k if BARE.fullmatch(k) else json.dumps(k)} = {toml(v)}' for k, v in value.items()]
        return '{ ' + ', '.join(pairs) + ' }'
    if isinstance(value, list):
        return '[' + ', '.join(toml(each) for each in value) + ']'
    return json.dumps(value, ensure_ascii=False)


def flow_toml(case, component):
    """The flow as wasm-flow reads it."""
    lines = ['[flow]', 'name = "differential"']
    for node in case.nodes:
        lines += ['', '[[executors]]', f'name = {toml(node.name)}', f'uses = {toml(component)}']
        lines.append(f'uses_with = {toml(node.config)}')
        if node.requests:
            lines.append(f'uses_requests = {toml(node.requests)}')
        if not node.silent:
            lines.append(f'needs = {toml(node.needs)}')
        if node.when:
            lines.append(f'when = {toml(node.when)}')
        for key in ('no_reduce', 'floating'):
            if getattr(node, key):
                lines.append(f'{key} = true')
        for key in ('replicas', 'shards'):
            if getattr(node, key) > 1:
                lines.append(f'{key} = {getattr(node, key)}')
        if node.polling:
            lines.append(f'polling = {toml(node.polling)}')
        for key, bound in around(node).items():
            table = {'uses': component, 'uses_with': node.config}
            if bound:
                table['uses_requests'] = bound
            lines.append(f'{key} = {toml(table)}')
    return '\n'.join(lines) + '\n'


@contextlib.contextmanager
def wasm_flow(case, binary, component, folder):
    """The flow on wasm-flow: the port that it is served on."""
    file = os.path.join(folder, 'flow.toml')
    with open(file, 'w') as out:
        out.write(flow_toml(case, component))
    with open(os.path.join(folder, 'wasm-flow.log'), 'w') as log:
        server = subprocess.Popen(
            [binary, '--format', 'json', 'run', file, '--port', '0'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        yield ready(server)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def ready(server):
    """The port, once the server says that it serves."""
    until = time.monotonic() + 120
    lines = b''
    while time.monotonic() < until:
        if not select.select([server.stdout], [], [], 1)[0]:
            continue
        read = os.read(server.stdout.fileno(), 4096)
        if not read:
            raise RuntimeError('wasm-flow ended before it served')
        lines += read
        for line in lines.split(b'\n')[:-1]:
            event = json.loads(line)
            if event.get('event') == 'ready':
                return event['port']
    raise RuntimeError('wasm-flow did not say that it serves')
