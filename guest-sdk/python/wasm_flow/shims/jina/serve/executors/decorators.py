"""Jina's decorators of methods."""

from wasm_flow import requests, write

from ...batching import dynamic_batching, monitor

__all__ = ['dynamic_batching', 'monitor', 'requests', 'write']
