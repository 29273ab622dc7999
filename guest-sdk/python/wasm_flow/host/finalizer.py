"""What gives a handle back to the host when its object goes.

The bindings use `weakref.finalize` for that, which takes longer than most calls of the
host: it keeps a table of all objects, and their order. They look it up by its name, so it
is replaced under them, and only under them.
"""

from __future__ import annotations

import sys
import weakref
from types import SimpleNamespace
from typing import Any, Callable, Optional

import componentize_py_async_support.futures
import componentize_py_async_support.streams


class Finalizer:
    """Calls a function when it is collected, which is when its owner is: nothing else has
    it."""

    __slots__ = ('_function', '_arguments')

    def __init__(self, owner: Any, function: Callable[..., Any], *arguments: Any) -> None:
        self._function: Optional[Callable[..., Any]] = function
        self._arguments = arguments

    def detach(self) -> Any:
        """Nothing is called any more. Gives what would have been, as `finalize` does."""
        function = self._function
        if function is None:
            return None
        self._function = None
        return None, function, self._arguments, {}

    def __del__(self) -> None:
        function = self._function
        if function is not None:
            function(*self._arguments)


_original = weakref.finalize


def install() -> None:
    """For the build: the bindings take what `weakref` has once the executor's module is
    imported."""
    lean = SimpleNamespace(finalize=Finalizer)
    for module in list(sys.modules.values()):
        if module.__name__.startswith('wit_world.imports.') and hasattr(module, 'weakref'):
            module.weakref = lean
    componentize_py_async_support.futures.weakref = lean
    componentize_py_async_support.streams.weakref = lean
    weakref.finalize = Finalizer  # type: ignore[assignment,misc]


def restore() -> None:
    """For the executor, once it runs: `weakref.finalize` is Python's own again."""
    weakref.finalize = _original  # type: ignore[misc]
