"""docarray v1's arrays."""

from wasm_flow import DocumentArray

__all__ = ['DocumentArray']
