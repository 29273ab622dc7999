"""Jina 3, as far as an executor uses it. Only a component has this on its path.

`Flow`, `Deployment` and `Client` do nothing: an executor's file may put one together to be
tried, and in a component a flow.toml does that.
"""

from docarray import Document, DocumentArray
from wasm_flow import Executor, requests, write

from .inert import Client, Deployment, Flow
from .batching import dynamic_batching, monitor

__version__ = '3.34.0'

__all__ = [
    'Client',
    'Deployment',
    'Document',
    'DocumentArray',
    'Executor',
    'Flow',
    'dynamic_batching',
    'monitor',
    'requests',
    'write',
]
