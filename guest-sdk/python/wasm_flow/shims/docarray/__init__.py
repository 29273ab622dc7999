"""docarray v1, as far as executors use it. Only a component has this on its path."""

from wasm_flow import Document, DocumentArray, NamedScore

__version__ = '0.21.0'

__all__ = ['Document', 'DocumentArray', 'NamedScore']
