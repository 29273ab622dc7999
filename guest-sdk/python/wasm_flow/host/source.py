"""Where rows read from: an array in the host, and the columns that were fetched from it.

A source knows none of its documents, only the other way round, so that no cycle holds
the handle: when the last document goes, so does the host's copy.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Optional

from componentize_py_types import Err
from wit_world.imports import documents as wit

from .. import ndarrays as numbers
from ..array import DocumentArray
from ..document import Document
from ..dtype import from_bytes
from ..score import NamedScore, scores_of

if TYPE_CHECKING:
    from weakref import ReferenceType

ALL = wit.Rows_All()

STRING_FIELDS = {
    'id': wit.StringField.ID,
    'parent_id': wit.StringField.PARENT_ID,
    'text': wit.StringField.TEXT,
    'uri': wit.StringField.URI,
    'mime_type': wit.StringField.MIME_TYPE,
    'modality': wit.StringField.MODALITY,
}
INTEGER_FIELDS = {
    'granularity': wit.IntegerField.GRANULARITY,
    'adjacency': wit.IntegerField.ADJACENCY,
}
FLOAT_FIELDS = {'weight': wit.FloatField.WEIGHT, 'offset': wit.FloatField.OFFSET}
JSON_FIELDS = {'tags': wit.JsonField.TAGS, '_metadata': wit.JsonField.METADATA}
NDARRAY_FIELDS = {'tensor': wit.NdarrayField.TENSOR, 'embedding': wit.NdarrayField.EMBEDDING}
SCORE_FIELDS = {'scores': wit.ScoreField.SCORES, 'evaluations': wit.ScoreField.EVALUATIONS}
NESTED_FIELDS = {'chunks': wit.NestedField.CHUNKS, 'matches': wit.NestedField.MATCHES}

# What a fetched array is measured by, to not fetch too many at once.
_SIZE_FIELDS = {
    'text': wit.Fields.CONTENT,
    'blob': wit.Fields.CONTENT,
    'tensor': wit.Fields.CONTENT,
    'embedding': wit.Fields.EMBEDDING,
}

# Bytes up to which large values are fetched together.
PART = 4 << 20

_CONTENTS = {
    wit.Content.NONE: None,
    wit.Content.TEXT: 'text',
    wit.Content.BLOB: 'blob',
    wit.Content.TENSOR: 'tensor',
}


class Source:
    """An array in the host, and what was read of it."""

    __slots__ = ('handle', 'start', 'all', 'length', 'touched', 'array', '_columns', '__weakref__')

    handle: Any
    # Where its rows begin in the array, and the name of all of them there.
    start: int
    all: Any
    length: int
    # Whether a document was changed, or read in a form that can change in place.
    touched: bool
    # The array of its documents, as long as there is one.
    array: Optional['ReferenceType[DocumentArray]']
    _columns: dict[str, Any]

    def __init__(self, handle: Any, length: int) -> None:
        self.handle = handle
        self.start = 0
        self.all = ALL
        self.length = length
        self.touched = False
        self.array = None
        self._columns = {}

    def documents(self) -> list[Document]:
        """A document for each row."""
        return self.rows(0, self.length)

    def rows(self, start: int, end: int) -> list[Document]:
        """A document for each of these rows."""
        make = object.__new__
        docs = []
        for row in range(start, end):
            doc = make(Document)
            doc._source = self
            doc._row = row
            docs.append(doc)
        return docs

    def column(self, name: str) -> Any:
        """A field's values by row."""
        try:
            return self._columns[name]
        except KeyError:
            column = self._columns[name] = _read(self, name)
            return column

    def known(self, name: str) -> Any:
        """A field's values by row, or None if they were not read."""
        return self._columns.get(name)

    def forget(self) -> None:
        """Lets go of what was read: it was written since."""
        columns = self._columns
        self._columns = {name: columns[name] for name in NESTED_FIELDS if name in columns}
        self.touched = False

    def move(self, handle: Any, start: int) -> None:
        """Has its rows in another array, from a place on."""
        self.handle = handle
        self.start = start
        self.all = wit.Rows_Span(wit.Span(start, self.length))
        # The others read from the old one.
        columns = self._columns
        self._columns = {
            name: column
            for name, column in columns.items()
            if isinstance(column, (list, _Matrix, tuple))
        }

    def drop_nested(self, name: str) -> Optional['Source']:
        """Lets go of the source of its chunks or matches, and gives it."""
        column = self._columns.pop(name, None)
        return None if column is None else column[0]

    def read_texts(self, doc: Document) -> None:
        """Gives a document its text, and all others of the array, too."""
        texts = self.column('text')
        doc._text = texts[doc._row]
        array = self.array
        docs = None if array is None else array()
        if docs is None or texts.__class__ is not list:
            return
        if not self.touched and not docs._changed:
            # They are the rows, in their order, and none was set.
            for other, text in zip(docs._docs or (), texts):
                other._text = text
            return
        for other in docs._docs or ():
            if other._source is self and other._content is None:
                other._text = texts[other._row]

    # --- values that can change in place ------------------------------------

    def object_of(self, name: str, row: int) -> dict[str, Any]:
        """A row's tags or metadata. Numbers are floats, as in Jina."""
        text = self.column(name)[row]
        return json.loads(text, parse_int=float) if text else {}

    def scores_of(self, name: str, row: int) -> dict[str, NamedScore]:
        """A row's scores or evaluations."""
        scores = scores_of(None)
        for key, score in self.column(name)[row]:
            scores[key] = NamedScore(
                value=score.value,
                op_name=score.op_name,
                description=score.description,
                ref_id=score.ref_id,
            )
        return scores

    def array_of(self, name: str, row: int) -> Any:
        """A row's tensor or embedding."""
        return self.column(name).get(row)

    def matrix_of(self, name: str) -> Any:
        """All rows' tensors or embeddings, stacked, if they are alike and were not taken
        apart."""
        column = self.column(name)
        return column.stacked() if isinstance(column, _Matrix) else None

    def nested_of(self, name: str, row: int) -> list[Document]:
        """A row's chunks or matches."""
        source, ends = self.column(name)
        return source.rows(ends[row - 1] if row else 0, ends[row])


def limit_of(error: Err) -> Optional[str]:
    """What the host says if something was too much for it."""
    return error.value.value if isinstance(error.value, wit.Error_Limit) else None


def _read(source: Source, name: str) -> Any:
    handle = source.handle
    field = STRING_FIELDS.get(name)
    if field is not None:
        return _whole_or_by_row(source, name, lambda rows: handle.strings(field, rows))
    if name in JSON_FIELDS:
        return handle.json_objects(JSON_FIELDS[name], source.all)
    if name in NDARRAY_FIELDS:
        return _arrays(source, name)
    if name in NESTED_FIELDS:
        return _nested(source, NESTED_FIELDS[name])
    if name in INTEGER_FIELDS:
        return handle.integers(INTEGER_FIELDS[name], source.all)
    if name in FLOAT_FIELDS:
        return handle.floats(FLOAT_FIELDS[name], source.all)
    if name in SCORE_FIELDS:
        return handle.scores(SCORE_FIELDS[name], source.all)
    if name == 'location':
        return handle.locations(source.all)
    if name == 'content':
        return [_CONTENTS[content] for content in handle.contents(source.all)]
    if name == 'blob':
        return _whole_or_by_row(source, name, handle.blobs, large=True)
    raise KeyError(name)


class _ByRow:
    """Values that are too many to hold, each fetched when it is read."""

    __slots__ = ('_fetch', '_start', '_length', '_last')

    def __init__(self, fetch: Callable[[Any], list[Any]], source: Source) -> None:
        self._fetch = fetch
        self._start = source.start
        self._length = source.length
        self._last: tuple[int, Any] = (-1, None)

    def __getitem__(self, row: int) -> Any:
        if self._last[0] != row:
            self._last = (row, self._fetch(wit.Rows_Span(wit.Span(self._start + row, 1)))[0])
        return self._last[1]

    def __iter__(self) -> Any:
        return (self[row] for row in range(self._length))

    def __len__(self) -> int:
        return self._length

    def index(self, value: Any) -> int:
        for row, own in enumerate(self):
            if own == value:
                return row
        raise ValueError(f'{value!r} is not here')


def _whole_or_by_row(
    source: Source, name: str, fetch: Callable[[Any], list[Any]], large: bool = False
) -> Any:
    if source.length > 1 and large:
        if sum(source.handle.sizes(_SIZE_FIELDS[name], source.all)) > PART:
            return _ByRow(fetch, source)
    try:
        return fetch(source.all)
    except Err as error:
        if limit_of(error) is None or source.length <= 1:
            raise
        return _ByRow(fetch, source)


class _Matrix:
    """The arrays of all rows, which have one shape and type."""

    __slots__ = ('matrix', 'length', 'size')

    def __init__(self, matrix: Any, length: int) -> None:
        self.matrix = matrix
        self.length = length
        self.size = len(matrix.buffer) // length if length else 0

    def raw(self, row: int) -> Any:
        start = row * self.size
        return self.matrix.buffer[start : start + self.size]

    def get(self, row: int) -> Any:
        return numbers.frombuffer(self.raw(row), self.matrix.dtype, self.matrix.shape)

    def stacked(self) -> Any:
        shape = (self.length, *self.matrix.shape)
        return numbers.frombuffer(self.matrix.buffer, self.matrix.dtype, shape)


class _Arrays:
    """The arrays of all rows, each of its own kind or none."""

    __slots__ = ('values',)

    def __init__(self, values: Any) -> None:
        self.values = values

    def get(self, row: int) -> Any:
        value = self.values[row]
        if value is None:
            return None
        data = value.data
        if not isinstance(data, wit.NdarrayData_Dense):
            raise NotImplementedError(
                'the array is sparse, and arrays of Python executors are dense. '
                'If it is not read, it is passed on as it is'
            )
        dense = data.value
        return numbers.frombuffer(dense.buffer, dense.dtype, dense.shape)


def _arrays(source: Source, name: str) -> Any:
    handle, field = source.handle, NDARRAY_FIELDS[name]
    if not source.length:
        return _Arrays([])

    def fetch(rows: Any) -> list[Any]:
        return handle.ndarrays(field, rows)

    if source.length > 1 and sum(handle.sizes(_SIZE_FIELDS[name], source.all)) > 8 * PART:
        return _Arrays(_ByRow(fetch, source))
    try:
        matrix = handle.matrix(field, source.all)
        if matrix is not None:
            return _Matrix(matrix, source.length)
    except Err as error:
        if limit_of(error) is None:
            raise
    return _Arrays(_whole_or_by_row(source, name, fetch))


def _nested(source: Source, field: Any) -> tuple[Source, list[int]]:
    """The chunks or matches of all rows, as one source, and where each row's end."""
    ends = []
    total = 0
    for length in source.handle.nested_lengths(field, source.all):
        total += length
        ends.append(total)
    if not total:
        return Source(wit.DocumentArray(), 0), ends
    handle = source.handle
    if source.all is not ALL:
        handle = handle.select(source.all)
    return Source(handle.flatten([field]), total), ends


def is_as_read(array: Any, source: Source, name: str, row: int) -> bool:
    """Whether a tensor or an embedding that was read is as the host has it."""
    column = source.known(name)
    if column is None:
        return False
    if isinstance(column, _Matrix):
        kind, shape, raw = column.matrix.dtype, column.matrix.shape, column.raw(row)
    else:
        value = column.values[row]
        if value is None:
            return array is None
        if not isinstance(value.data, wit.NdarrayData_Dense):
            return False
        dense = value.data.value
        kind, shape, raw = dense.dtype, dense.shape, dense.buffer
    if not isinstance(array, numbers.ndarray) or tuple(shape) != array.shape:
        return False
    found, read = from_bytes(kind, raw)
    return found is array.dtype and read.tobytes() == array._numbers().tobytes()
