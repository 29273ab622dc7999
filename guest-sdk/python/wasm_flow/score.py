"""A score of a document, and where it comes from."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Mapping, Optional


class NamedScore:
    """docarray v1's `NamedScore`."""

    __slots__ = ('value', 'op_name', 'description', 'ref_id')

    value: float
    op_name: str
    description: str
    ref_id: str

    def __init__(
        self,
        _obj: Optional[Mapping[str, Any]] = None,
        *,
        value: Optional[float] = None,
        op_name: Optional[str] = None,
        description: Optional[str] = None,
        ref_id: Optional[str] = None,
    ) -> None:
        given = dict(_obj) if _obj is not None else {}
        self.value = given.get('value', value) or 0.0
        self.op_name = given.get('op_name', op_name) or ''
        self.description = given.get('description', description) or ''
        self.ref_id = given.get('ref_id', ref_id) or ''

    def to_dict(self) -> dict[str, Any]:
        """Its fields that are set."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamedScore):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f'<NamedScore {self.to_dict()}>'


def scores_of(value: Any) -> defaultdict[str, NamedScore]:
    """Scores by name, of what a person sets: scores, or plain numbers."""
    scores: defaultdict[str, NamedScore] = defaultdict(NamedScore)
    for name, score in dict(value or {}).items():
        scores[name] = score_of(score)
    return scores


def score_of(value: Any) -> NamedScore:
    """A score, also of a number or of a dict of its fields."""
    if isinstance(value, NamedScore):
        return value
    if isinstance(value, Mapping):
        return NamedScore(value)
    return NamedScore(value=float(value))
