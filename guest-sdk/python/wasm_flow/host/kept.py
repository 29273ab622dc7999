"""Documents that an executor keeps beyond their request, as an index does.

Each request's documents are an array of the host, and an instance may have a limited
number of these. So those that are still there after their call are put together in one.
"""

from __future__ import annotations

import weakref
from typing import Any, Optional

from wit_world.imports import documents as wit

from .source import NESTED_FIELDS, Source

# Arrays that may be kept as they are.
MANY = 256

# Rows that nobody has any more, up to which they are left.
LEAST_DEAD = 1024


class _Member(weakref.ref):
    """A source whose rows are in the array, and where."""

    __slots__ = ('start', 'length')

    start: int
    length: int


class Kept:
    """The array of kept documents."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._length = 0
        self._dead = 0
        self._members: list[_Member] = []
        # Sources that outlived their call, and have an array of their own.
        self._waiting: list[weakref.ReferenceType[Source]] = []

    def note(self, reference: 'weakref.ReferenceType[Source]') -> None:
        """Takes note of a source that outlived its call."""
        self._waiting.append(reference)
        if len(self._waiting) >= MANY:
            self._gather()

    def _gather(self) -> None:
        waiting, self._waiting = self._waiting, []
        for reference in waiting:
            source = reference()
            if source is not None:
                self._take(source)
        if self._dead > LEAST_DEAD and self._dead * 2 > self._length:
            self._compact()

    def _take(self, source: Source) -> None:
        if self._handle is None:
            self._handle = wit.DocumentArray()
        self._handle.extend(source.handle, source.all)
        source.move(self._handle, self._length)
        member = _Member(source, self._died)
        member.start, member.length = self._length, source.length
        self._members.append(member)
        self._length += source.length
        # The chunks and matches have arrays of their own.
        for name in NESTED_FIELDS:
            nested = source.drop_nested(name)
            if nested is not None:
                reference = weakref.ref(nested)
                del nested
                below: Optional[Source] = reference()
                if below is not None:
                    self._take(below)

    def _died(self, member: Any) -> None:
        self._dead += member.length

    def _compact(self) -> None:
        """Lets go of the rows that nobody has any more."""
        order: list[int] = []
        members = []
        for member in self._members:
            source = member()
            if source is None:
                continue
            rows = range(member.start, member.start + member.length)
            member.start = len(order)
            order += rows
            members.append((member, source))
        self._handle.arrange(order)
        for member, source in members:
            source.move(self._handle, member.start)
        self._members = [member for member, _ in members]
        self._length, self._dead = len(order), 0


kept = Kept()
