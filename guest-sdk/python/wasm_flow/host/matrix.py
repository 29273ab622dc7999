"""The documents by predecessor, for methods that may not look at them."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional

from ..array import DocumentArray
from .kept import kept
from .source import Source


class Parts:
    """What each predecessor sent, asked of the host when it is first needed."""

    __slots__ = ('_request', '_docs', '_parts')

    def __init__(self, request: Any, docs: DocumentArray) -> None:
        self._request = request
        self._docs = docs
        self._parts: Optional[dict[str, DocumentArray]] = None

    def read(self) -> dict[str, DocumentArray]:
        """The arrays by predecessor."""
        parts = self._parts
        if parts is None:
            parts = {}
            sent = self._request.docs_matrix()
            if len(sent) == 1:
                # As in Jina, this is what `docs` is.
                parts[sent[0].executor] = self._docs
            else:
                for part in sent:
                    source = Source(part.docs, part.docs.length())
                    # They are only read, so they may be moved while the call goes on.
                    kept.note(weakref.ref(source))
                    parts[part.executor] = DocumentArray._of(source)
            self._parts = parts
        return parts


def _lazy(base: type, names: list[str], fill: Callable[[Any, Parts], None]) -> type:
    """A list or a dict that is filled when it is first used. Nearly every method has it in
    its `**kwargs`, and nearly none looks at it."""

    def wrap(name: str) -> Callable[..., Any]:
        original = getattr(base, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            parts = self._parts
            if parts is not None:
                self._parts = None
                fill(self, parts)
            return original(self, *args, **kwargs)

        return method

    body: dict[str, Any] = {name: wrap(name) for name in names if hasattr(base, name)}
    body['_parts'] = None
    body['__slots__'] = ('__dict__',)
    return type(base.__name__, (base,), body)


_COMMON = ['__contains__', '__delitem__', '__eq__', '__getitem__', '__iter__', '__len__', '__ne__']
_COMMON += ['__repr__', '__reversed__', '__setitem__', 'clear', 'copy', 'pop', '__reduce_ex__']

_List = _lazy(
    list,
    _COMMON
    + ['__add__', '__iadd__', '__imul__', '__mul__', '__rmul__', 'append', 'count', 'extend']
    + ['index', 'insert', 'remove', 'reverse', 'sort'],
    lambda self, parts: list.extend(self, parts.read().values()),
)
_Dict = _lazy(
    dict,
    _COMMON
    + [
        '__ior__',
        '__or__',
        '__ror__',
        'get',
        'items',
        'keys',
        'popitem',
        'setdefault',
        'update',
        'values',
    ],
    lambda self, parts: dict.update(self, parts.read()),
)


def docs_matrix(parts: Parts) -> list[DocumentArray]:
    """The arrays of all predecessors."""
    made = _List()
    made._parts = parts
    return made


def docs_map(parts: Parts) -> dict[str, DocumentArray]:
    """The arrays by predecessor."""
    made = _Dict()
    made._parts = parts
    return made
