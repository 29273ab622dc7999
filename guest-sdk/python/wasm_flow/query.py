"""Conditions on documents, in docarray's query language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable

from .document import dunder_get

if TYPE_CHECKING:
    from .document import Document

_PLACEHOLDER = re.compile(r'\{\s*([a-zA-Z0-9_]*)\s*}')

# Each of a document's value and the one in the query. Nothing is less than nothing.
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    '$eq': lambda own, other: own == other,
    '$ne': lambda own, other: own != other,
    '$neq': lambda own, other: own != other,
    '$gt': lambda own, other: own is not None and own > other,
    '$gte': lambda own, other: own is not None and own >= other,
    '$lt': lambda own, other: own is not None and own < other,
    '$lte': lambda own, other: own is not None and own <= other,
    '$in': lambda own, other: own in other,
    '$nin': lambda own, other: own not in other,
    '$regex': lambda own, other: own is not None and re.search(other, own) is not None,
    '$size': lambda own, other: own is not None and len(own) == other,
}


def matches_query(doc: 'Document', query: dict[str, Any]) -> bool:
    """Whether all conditions of a query hold for a document."""
    return all(_holds(doc, name, value) for name, value in query.items())


def _holds(doc: 'Document', name: str, value: Any) -> bool:
    if name == '$not':
        return not _all(doc, value)
    if name == '$and':
        return _all(doc, value)
    if name == '$or':
        return any(matches_query(doc, one) for one in _queries(value))
    if name.startswith('$'):
        raise ValueError(f'{name} is not an operator here: it belongs behind a field')
    if not isinstance(value, dict):
        raise ValueError(f"a condition on {name} is a dict: {{'{name}': {{'$eq': {value!r}}}}}")
    return all(_compares(doc, name, operator, other) for operator, other in value.items())


def _queries(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [{name: condition} for name, condition in value.items()]
    return list(value)


def _all(doc: 'Document', value: Any) -> bool:
    return all(matches_query(doc, one) for one in _queries(value))


def _compares(doc: 'Document', name: str, operator: str, other: Any) -> bool:
    if operator == '$exists':
        if not isinstance(other, bool):
            raise ValueError('$exists takes True or False')
        own = dunder_get(doc, name)
        exists = own is not None if '__' in name else name in doc.non_empty_fields
        return exists == other
    compare = _COMPARISONS.get(operator)
    if compare is None:
        known = ', '.join(sorted([*_COMPARISONS, '$exists']))
        raise ValueError(f'{operator} is not an operator. There are {known}')
    if isinstance(other, str) and other.startswith('{'):
        placeholder = _PLACEHOLDER.fullmatch(other)
        if placeholder is None:
            raise ValueError(f'{other} is not the name of a field in braces')
        other = dunder_get(doc, placeholder[1])
    return compare(dunder_get(doc, name), other)
