"""Paths to documents below others: `r`, `c`, `m`, `cm`, `c[0:2],m`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

if TYPE_CHECKING:
    from .array import DocumentArray
    from .document import Document

_STEP = re.compile(r'([rcm])(\[?(-?\d*(?::-?\d*){0,2})\]?)?')


def paths(text: str) -> list[str]:
    """The paths of a comma-separated list."""
    return re.sub(r'\s+', '', text).split(',')


def traverse(
    docs: 'DocumentArray', text: str, filter_fn: Optional[Callable[['Document'], bool]] = None
) -> Iterator['DocumentArray']:
    """The lists of documents at these paths."""
    from .array import DocumentArray

    for path in paths(text):
        for found in _descend(docs, _steps(path)):
            yield found if filter_fn is None else DocumentArray(filter(filter_fn, found))


def flattened(docs: Any) -> Iterator['Document']:
    """All documents with those below them, which come first."""
    for doc in docs:
        yield from flattened(doc.chunks)
        yield from flattened(doc.matches)
        yield doc


def _steps(path: str) -> list[tuple[str, slice]]:
    steps = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            break
        steps.append((step[1], _slice(step[3] or '')))
        at = step.end()
    if at < len(path) or not steps:
        raise ValueError(
            f'{path!r} is not a path to documents: it is made of r, c and m, each with a slice '
            'behind it or without one, as in `c[0:2]m`'
        )
    return steps


def _slice(text: str) -> slice:
    if not text:
        return slice(None)
    parts = [int(part) if part else None for part in text.split(':')]
    if len(parts) == 1:
        place = parts[0]
        assert place is not None
        return slice(place, place + 1 or None)
    return slice(*parts)


def _descend(docs: 'DocumentArray', steps: list[tuple[str, slice]]) -> Iterator['DocumentArray']:
    if not steps:
        yield docs
        return
    (step, part), rest = steps[0], steps[1:]
    if step == 'r':
        yield from _descend(_part(docs, part), rest)
        return
    for doc in docs:
        yield from _descend(_part(doc.chunks if step == 'c' else doc.matches, part), rest)


def _part(docs: 'DocumentArray', part: slice) -> 'DocumentArray':
    return docs if part == slice(None) else docs[part]
