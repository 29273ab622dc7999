"""docarray v1's scores."""

from wasm_flow import NamedScore

__all__ = ['NamedScore']
