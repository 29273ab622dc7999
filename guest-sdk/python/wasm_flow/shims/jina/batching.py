"""Decorators whose settings are elsewhere here."""

from typing import Any


def dynamic_batching(func: Any = None, **_: Any) -> Any:
    """Jina's `@dynamic_batching`. `uses_dynamic_batching` in flow.toml has its settings."""
    return func if func is not None else lambda function: function


def monitor(func: Any = None, **_: Any) -> Any:
    """Jina's `@monitor`: metrics are the host's."""
    return func if callable(func) else lambda function: function
