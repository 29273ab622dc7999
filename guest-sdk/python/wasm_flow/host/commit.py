"""Writes a handler's changes back to the host.

Nothing is written while a handler runs. When it returns, its documents are compared with
those that it received, and the difference is written with one call for each column that
changed:

1. Documents that are new, or came from another array, are built in arrays of their own.
   This reads from the host's arrays, which are still as the handler received them.
2. Changed fields of documents that stayed in their place are written there.
3. Lists of chunks and matches that changed are replaced.
4. The list of the request's documents is rearranged.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, Optional

from wit_world.imports import documents as wit

from .. import ndarrays as numbers
from ..array import DocumentArray
from ..document import FLOATS, INTEGERS, NESTED, OBJECTS, SCORES, STRINGS, Document
from .source import (
    ALL,
    FLOAT_FIELDS,
    INTEGER_FIELDS,
    JSON_FIELDS,
    NDARRAY_FIELDS,
    NESTED_FIELDS,
    SCORE_FIELDS,
    STRING_FIELDS,
    PART,
    Source,
    is_as_read,
)

# As deep as the host takes documents, and objects.
DEPTH = 64
JSON_DEPTH = 32

# A column of the host: its rows, and a value for each.
Column = tuple[list[int], list[Any]]


class _Plan:
    """What to write in place once all reads are done."""

    def __init__(self) -> None:
        self.writes: list[tuple[Source, list[Document]]] = []
        self.lists: list[tuple[Source, str, int, Any]] = []


def write_back(docs: DocumentArray, source: Source) -> None:
    """Makes the array behind `source` hold `docs`."""
    if not docs._changed and not source.touched:
        return
    rows = docs._list()
    plan = _Plan()
    added = order = None
    if docs._changed and not _is_list_of(rows, source, 0, source.length):
        added, order = _rearranged(rows, source, plan)
    else:
        _in_place(rows, source, plan)
    for changed, changes in plan.writes:
        _write(changed.handle, changed.length, changes)
        changed.forget()
    for owner, field, row, handle in plan.lists:
        owner.handle.set_nested(NESTED_FIELDS[field], row, handle)
    if added is not None or order is not None:
        # The documents of the executor's own state keep their rows.
        target = source.handle
        source.handle = target.select(ALL)
        if added is not None:
            target.extend(added, ALL)
        if order is not None:
            target.arrange(order)


def is_whole(docs: DocumentArray, source: Source) -> bool:
    """Whether these are all of the source's documents, in order."""
    if docs._source is source and not docs._changed:
        return True
    return _is_list_of(docs._list(), source, 0, source.length)


def build(docs: Iterable[Document], depth: int = 1) -> Any:
    """A new array in the host that holds these documents."""
    if depth > DEPTH:
        raise ValueError(
            f'documents are nested in more than {DEPTH} levels: is one among its own chunks or matches?'
        )
    docs = list(docs)
    array = wit.DocumentArray()
    # Copies first: one call for each run of documents from the same array.
    start = 0
    while start < len(docs):
        source = docs[start]._source
        end = start + 1
        while end < len(docs) and docs[end]._source is source:
            end += 1
        if source is None:
            array.append_new(end - start)
        else:
            array.extend(source.handle, _rows_of(source, docs[start:end]))
        start = end
    lists = []
    changed = []
    places = []
    for row, doc in enumerate(docs):
        values = doc._values
        if values is not None:
            for field in NESTED:
                if field in values and not _is_pristine_list(doc, field):
                    _descend(doc, field)
                    lists.append((field, row, values[field]._list()))
        if values is not None or doc._content is not None:
            places.append(row)
            changed.append(doc)
    if changed:
        _write(array, len(docs), changed, places)
    for field, row, handle in _build_lists(lists, depth + 1):
        array.set_nested(NESTED_FIELDS[field], row, handle)
    return array


def _build_lists(
    lists: list[tuple[str, int, list[Document]]], depth: int = 2
) -> list[tuple[str, int, Any]]:
    """Builds several lists as one array, so that a column of all of them is written with
    one call, and then takes them apart."""
    if not lists:
        return []
    together = build((doc for _, _, docs in lists for doc in docs), depth)
    built = []
    start = 0
    for field, row, docs in lists:
        span = wit.Rows_Span(wit.Span(start, len(docs)))
        built.append((field, row, together.select(span)))
        start += len(docs)
    return built


def _is_list_of(docs: list[Document], source: Source, start: int, end: int) -> bool:
    if len(docs) != end - start:
        return False
    row = start
    for doc in docs:
        if doc._source is not source or doc._row != row:
            return False
        row += 1
    return True


def _stayed(doc: Document, field: str) -> bool:
    """Whether a list of chunks or matches has the documents that it had."""
    source, row = doc._source, doc._row
    column = None if source is None else source.known(field)
    if column is None:
        return False
    nested, ends = column
    docs = doc._values[field]._list()  # type: ignore[index]
    return _is_list_of(docs, nested, ends[row - 1] if row else 0, ends[row])


def _is_pristine_list(doc: Document, field: str) -> bool:
    """Whether a copy of the document's row already has the right chunks, or matches."""
    values = doc._values
    if values is None or field not in values:
        return True
    if doc._source is None:
        return not values[field]._list()
    return _stayed(doc, field) and all(map(_is_pristine, values[field]._list()))


def _is_pristine(doc: Document) -> bool:
    if doc._content is not None:
        return False
    for name in doc._values or ():
        if name in NESTED:
            if not _is_pristine_list(doc, name):
                return False
        elif _change(doc, name) is not None:
            return False
    return True


def _descend(doc: Document, field: str) -> None:
    """Sets the level of documents that have others below them and are put below `doc`. The
    host sets the same level, but the ones below are built first, and count from it."""
    for one in doc._values[field]._list():  # type: ignore[index]
        values = one._values
        if values is None or not any(values.get(name) for name in NESTED):
            continue
        if field == 'chunks':
            level = doc.granularity + 1
            if one.granularity != level:
                one.granularity = level
        else:
            level = doc.adjacency + 1
            if one.adjacency != level:
                one.adjacency = level


def _in_place(docs: list[Document], source: Source, plan: _Plan) -> None:
    """Plans the changes to documents that are all rows of `source`."""
    if not source.touched:
        return
    changed = [doc for doc in docs if doc._values is not None or doc._content is not None]
    with_values = [doc for doc in changed if doc._values is not None]
    others = []
    for field in NESTED if with_values else ():
        same: list[Document] = []
        for doc in with_values:
            values = doc._values
            if values is None or field not in values:
                continue
            if _stayed(doc, field):
                same += values[field]._list()
            else:
                _descend(doc, field)
                others.append((field, doc._row, values[field]._list()))
        if same:
            _in_place(same, source.known(field)[0], plan)
    for field, row, handle in _build_lists(others):
        plan.lists.append((source, field, row, handle))
    if changed:
        plan.writes.append((source, changed))


def _rearranged(
    docs: list[Document], source: Source, plan: _Plan
) -> tuple[Any, Optional[list[int]]]:
    """Which documents to append, and which rows to keep then, in which order."""
    taken = bytearray(source.length)
    own = []
    added = []
    order = []
    for doc in docs:
        if doc._source is source and not taken[doc._row]:
            taken[doc._row] = 1
            order.append(doc._row)
            own.append(doc)
        else:
            # The second copy of a document is another document.
            order.append(source.length + len(added))
            added.append(doc)
    built = build(added) if added else None
    _in_place(own, source, plan)
    unchanged = order == list(range(source.length + len(added)))
    return built, None if unchanged else order


# --- columns ------------------------------------------------------------------


def _rows_of(source: Source, docs: list[Document]) -> Any:
    """The rows of a source's documents, in its array."""
    rows = [source.start + doc._row for doc in docs]
    return _rows(rows, source.length if source.all is ALL else -1)


def _rows(rows: list[int], length: int) -> Any:
    """The shortest name for these rows."""
    count = len(rows)
    first = rows[0]
    if rows[-1] == first + count - 1 and rows == list(range(first, first + count)):
        return ALL if count == length else wit.Rows_Span(wit.Span(first, count))
    return wit.Rows_These(rows)


def _change(doc: Document, name: str) -> Any:
    """What to write of a field that was set or could change: a value for the host, or None
    if it is as it was."""
    value = doc._values[name]  # type: ignore[index]
    source, row = doc._source, doc._row
    known = None if source is None else source.known(name)
    if name in OBJECTS:
        text = _json(value, name) if value else ''
        if known is not None:
            before = known[row]
            # The host's text is compact, too, but may have whole numbers.
            if text == before or not text and not before:
                return None
            if before and text == _json(json.loads(before, parse_int=float), name):
                return None
        elif source is None and not text:
            return None
        return text
    if name in NDARRAY_FIELDS:
        if source is not None and is_as_read(value, source, name, row):
            return None
        return (value,)
    if name in SCORES:
        scores = [_score(key, score) for key, score in value.items()]
        if known is not None and sorted(known[row], key=_by_name) == sorted(scores, key=_by_name):
            return None
        return scores if scores or source is not None else None
    if name == 'location':
        numbers_ = [float(number) for number in value]
        if known is not None and known[row] == numbers_:
            return None
        return numbers_ if numbers_ or source is not None else None
    return value


def _by_name(entry: tuple[str, Any]) -> str:
    return entry[0]


def _score(name: str, score: Any) -> tuple[str, Any]:
    from ..score import score_of

    score = score_of(score)
    return name, wit.NamedScore(
        _single(score.value), score.op_name, score.description, score.ref_id
    )


def _single(value: Any) -> float:
    """As a float of 32 bits, which is what the host holds."""
    return float(numbers.float32_type.type(value))


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(',', ':'), allow_nan=False, default=None
)


def _json(value: Any, name: str) -> str:
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError):
        pass
    return _ENCODER.encode(_plain(value, name))


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """A value that JSON can express, of one that Python can."""
    if depth > JSON_DEPTH:
        raise ValueError(f'`{name}` nests deeper than {JSON_DEPTH} levels: does it hold itself?')
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if value != value or value in (float('inf'), float('-inf')):
            raise ValueError(f'`{name}` cannot hold {value}: JSON has no such number')
        return float(value)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f'the keys of `{name}` are texts, and {key!r} is not')
        return {key: _plain(one, name, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, name, depth + 1) for one in value]
    if hasattr(value, 'tolist'):
        return value.tolist()
    raise TypeError(
        f'`{name}` cannot hold a value of the type {type(value).__name__}: {value!r:.200}'
    )


def _write(
    array: Any, length: int, docs: list[Document], places: Optional[list[int]] = None
) -> None:
    """Writes the changed fields of some documents, with a call for each column. `places` are
    their rows in the array, if those are not the ones of their source."""
    if all(doc._content == 'text' and not doc._values for doc in docs):
        # What most methods do.
        rows = [doc._row for doc in docs] if places is None else places
        array.set_strings(STRING_FIELDS['text'], _rows(rows, length), [doc._text for doc in docs])
        return
    columns: dict[str, Column] = {}

    def note(name: str, row: int, value: Any) -> None:
        column = columns.get(name)
        if column is None:
            column = columns[name] = ([], [])
        column[0].append(row)
        column[1].append(value)

    for at, doc in enumerate(docs):
        row = doc._row if places is None else places[at]
        content = doc._content
        values = doc._values
        if content is not None:
            if content == 'text':
                note('text', row, doc._text)
            elif content == '':
                if doc._source is not None:
                    note('cleared', row, None)
            else:
                note(content, row, values[content])  # type: ignore[index]
        if values:
            for name in values:
                if name in NESTED or name == 'blob' or name == 'tensor' and content is not None:
                    continue
                change = _change(doc, name)
                if change is None:
                    continue
                note(name, row, change[0] if name in NDARRAY_FIELDS else change)
    for name, (rows, column) in columns.items():
        _write_column(array, length, name, rows, column)


def _write_column(array: Any, length: int, name: str, rows: list[int], values: list[Any]) -> None:
    if name in NDARRAY_FIELDS:
        _write_arrays(array, NDARRAY_FIELDS[name], length, rows, values)
        return
    named = _rows(rows, length)
    if name == 'text' or name in STRINGS:
        array.set_strings(STRING_FIELDS[name], named, values)
    elif name == 'blob':
        array.set_blobs(named, values)
    elif name == 'cleared':
        array.clear(wit.Fields.CONTENT, named)
    elif name in OBJECTS:
        array.set_json_objects(JSON_FIELDS[name], named, values)
    elif name in INTEGERS:
        array.set_integers(INTEGER_FIELDS[name], named, values)
    elif name in FLOATS:
        array.set_floats(FLOAT_FIELDS[name], named, values)
    elif name in SCORES:
        array.set_scores(SCORE_FIELDS[name], named, values)
    elif name == 'location':
        array.set_locations(named, values)
    else:
        raise AssertionError(name)


def _write_arrays(array: Any, field: Any, length: int, rows: list[int], values: list[Any]) -> None:
    """Writes arrays, some at a time if they are large: each write copies them."""
    raw = [_raw(value) for value in values]
    start = 0
    while start < len(raw):
        size = 0
        end = start
        while end < len(raw) and (end == start or size + _size(raw[end]) <= PART):
            size += _size(raw[end])
            end += 1
        some = raw[start:end]
        named = _rows(rows[start:end], length)
        matrix = _matrix(some)
        if matrix is not None:
            array.set_matrix(field, named, matrix)
        else:
            array.set_ndarrays(field, named, some)
        start = end


def _raw(value: Any) -> Any:
    if value is None:
        return None
    cls_name = 'numpy'
    if isinstance(value, (list, tuple)):
        cls_name = 'list'
    array = numbers.asarray(value)
    dense = wit.Dense(array.dtype.str, list(array.shape), array.tobytes())
    return wit.Ndarray(wit.NdarrayData_Dense(dense), cls_name, '')


def _size(raw: Any) -> int:
    return 0 if raw is None else len(raw.data.value.buffer)


def _matrix(arrays: list[Any]) -> Any:
    """All arrays as one, if they are alike."""
    first = arrays[0]
    if first is None or len(arrays) == 1:
        return None
    kind, shape, cls_name = first.data.value.dtype, first.data.value.shape, first.cls_name
    for array in arrays:
        if array is None:
            return None
        dense = array.data.value
        if dense.dtype != kind or dense.shape != shape or array.cls_name != cls_name:
            return None
    return wit.Matrix(kind, shape, b''.join(array.data.value.buffer for array in arrays), cls_name)
