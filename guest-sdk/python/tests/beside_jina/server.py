"""Serves the executor with the real Jina: `python3 server.py PORT`."""

import sys

from executors import Many
from jina import Flow

with Flow(port=int(sys.argv[1])).add(uses=Many, name='e1', uses_with={'factor': 3}) as flow:
    print('ready', flush=True)
    flow.block()
