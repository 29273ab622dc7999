"""Executors for wasm-flow, in Python: functions over documents that run in a sandbox and
that any Jina client can call.

```python
from wasm_flow import DocumentArray, Executor, requests


class Shout(Executor):
    @requests(on='/shout')
    def shout(self, docs: DocumentArray, **kwargs):
        for doc in docs:
            doc.text = doc.text.upper()
```

This package needs no host: `Shout().shout(docs=docs)` works in any Python. `wasm-flow
build` makes a component of the file.
"""

from .array import DocumentArray
from .document import Document
from .executor import Executor
from .handler import requests, write
from .ndarrays import ndarray
from .score import NamedScore

__version__ = '0.1.0'

__all__ = [
    'Document',
    'DocumentArray',
    'Executor',
    'NamedScore',
    'ndarray',
    'requests',
    'write',
]
