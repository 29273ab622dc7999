"""A server of the real Jina, for the tests: `jina_server.py executor NAME PORT` serves
an Executor, and `jina_server.py flow PORT NODES` a Flow, whose nodes are JSON: keyword
arguments of `Flow.add`. It prints `ready` once it serves."""

import json
import sys
import time

from jina import Deployment, Document, DocumentArray, Executor, Flow, requests


class Remote(Executor):
    """Tells in texts what it was called with."""

    @requests(on='/trace')
    def trace(self, docs, **kwargs):
        for doc in docs:
            doc.text += f'>{self.runtime_args.name.split("/")[0]}'

    @requests(on='/parts')
    def parts(self, docs, docs_matrix, docs_map, parameters, **kwargs):
        lengths = [len(part) for part in docs_matrix or []]
        names = sorted(docs_map or {})
        return DocumentArray([Document(text=f'{lengths} {names} {len(docs)} {parameters.get("k")}')])

    @requests(on='/results')
    def results(self, docs, **kwargs):
        return {'found': len(docs)}

    @requests(on='/fails')
    def fails(self, docs, **kwargs):
        raise ValueError('no good')

    @requests(on='/gauge')
    def gauge(self, docs, **kwargs):
        time.sleep(0.005)


def main():
    kind, *rest = sys.argv[1:]
    if kind == 'executor':
        name, port = rest
        server = Deployment(uses=Remote, name=name, port=int(port))
    else:
        port, nodes = rest
        server = Flow(port=int(port))
        for node in json.loads(nodes):
            if node.get('uses') == 'Remote':
                node['uses'] = Remote
            server = server.add(**node)
    with server:
        print('ready', flush=True)
        server.block()


if __name__ == '__main__':
    main()
