"""Embeddings without a model: words and tags, hashed into a vector. The numbers are
docarray's."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Iterable

from . import ndarrays as numbers

if TYPE_CHECKING:
    from .document import Document

_FILTERED = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_SPACES = str.maketrans(dict.fromkeys(_FILTERED, ' '))


def words(text: str) -> list[str]:
    """The words of a text, in small letters and without punctuation."""
    return [word for word in text.lower().translate(_SPACES).split(' ') if word]


def vocabulary(doc: 'Document', names: Iterable[str]) -> Counter[str]:
    """How often each word occurs in these fields."""
    found: Counter[str] = Counter()
    for name in names:
        found.update(words(getattr(doc, name)))
    return found


def hashed(doc: 'Document', n_dim: int, fields: Iterable[str], max_value: int) -> Any:
    """The vector of a document."""
    fields = tuple(fields)
    table = [0.0] * n_dim

    def add(name: Any, value: Any) -> None:
        key = _hash(name)
        sign = (key > 0) - (key < 0)
        table[key % n_dim] += sign * (_hash(value) % max_value)

    # As in docarray, each field counts the texts and the tags again.
    for field in fields:
        if 'text' in fields:
            for word, count in vocabulary(doc, ('text',)).items():
                add(word, count)
        if 'tags' in fields:
            for name, value in doc.tags.items():
                add(name, value)
        value = getattr(doc, field, None)
        if value:
            add(field, value)
    return numbers.array(table, numbers.float64_type)


def _hash(value: Any) -> Any:
    if not value:
        return 0
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ('true', 'yes'):
            return 1
        if text.lower() in ('false', 'no'):
            return 0
    elif isinstance(value, (tuple, dict, list)):
        text = json.dumps(value, sort_keys=True)
    else:
        return int(value)
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), base=16)
