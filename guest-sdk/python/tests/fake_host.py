"""A host that holds documents, for tests in any Python: what a component's bindings give,
as plain objects that count their calls."""

from __future__ import annotations

import sys
import types
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum, Flag, auto
from typing import Any

# How often each function of the host was called.
CALLS: Counter[str] = Counter()
# Handles that were not given back.
LIVE: Counter[str] = Counter()


class Err(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


@dataclass
class Ok:
    value: Any


def _case(name: str, *fields: str) -> type:
    return dataclass(type(name, (), {'__annotations__': {one: Any for one in fields}}))


Error_Limit = _case('Error_Limit', 'value')
Error_Invalid = _case('Error_Invalid', 'value')
Rows_All = _case('Rows_All')
Rows_Span = _case('Rows_Span', 'value')
Rows_These = _case('Rows_These', 'value')
Span = _case('Span', 'start', 'count')
Dense = _case('Dense', 'dtype', 'shape', 'buffer')
Sparse = _case('Sparse', 'indices', 'values', 'shape')
NdarrayData_Dense = _case('NdarrayData_Dense', 'value')
NdarrayData_Sparse = _case('NdarrayData_Sparse', 'value')
Ndarray = _case('Ndarray', 'data', 'cls_name', 'parameters')
Matrix = _case('Matrix', 'dtype', 'shape', 'buffer', 'cls_name')
NamedScore = _case('NamedScore', 'value', 'op_name', 'description', 'ref_id')

StringField = Enum('StringField', 'ID PARENT_ID TEXT URI MIME_TYPE MODALITY', start=0)
JsonField = Enum('JsonField', 'TAGS METADATA', start=0)
IntegerField = Enum('IntegerField', 'GRANULARITY ADJACENCY', start=0)
FloatField = Enum('FloatField', 'WEIGHT OFFSET', start=0)
NdarrayField = Enum('NdarrayField', 'TENSOR EMBEDDING', start=0)
ScoreField = Enum('ScoreField', 'SCORES EVALUATIONS', start=0)
NestedField = Enum('NestedField', 'CHUNKS MATCHES', start=0)
Content = Enum('Content', 'NONE TEXT BLOB TENSOR', start=0)


class Fields(Flag):
    CONTENT = auto()
    EMBEDDING = auto()


_ids = iter(range(1, 1 << 30))


@dataclass
class Doc:
    """A document of the host."""

    id: str = ''
    parent_id: str = ''
    uri: str = ''
    mime_type: str = ''
    modality: str = ''
    granularity: int = 0
    adjacency: int = 0
    weight: float = 0.0
    offset: float = 0.0
    location: list = field(default_factory=list)
    tags: str = ''
    metadata: str = ''
    text: str = ''
    blob: bytes = b''
    tensor: Any = None
    content: Any = Content.NONE
    embedding: Any = None
    scores: list = field(default_factory=list)
    evaluations: list = field(default_factory=list)
    chunks: list = field(default_factory=list)
    matches: list = field(default_factory=list)

    def copy(self) -> 'Doc':
        made = replace(self)
        made.chunks = [doc.copy() for doc in self.chunks]
        made.matches = [doc.copy() for doc in self.matches]
        return made


def doc(**fields: Any) -> Doc:
    """A document with these fields; its content by which of them there is."""
    made = Doc(**fields)
    made.id = made.id or f'id{next(_ids)}'
    if made.text:
        made.content = Content.TEXT
    elif made.blob:
        made.content = Content.BLOB
    elif made.tensor is not None:
        made.content = Content.TENSOR
    for chunk in made.chunks:
        chunk.parent_id, chunk.granularity = made.id, made.granularity + 1
    for match in made.matches:
        match.adjacency = made.adjacency + 1
    return made


class DocumentArray:
    """An array of the host. `LIMIT` is how many values it gives at once."""

    LIMIT = 1 << 30

    def __init__(self, docs: Any = None, owner: Any = None) -> None:
        self.docs: list[Doc] = [] if docs is None else docs
        self._owner = owner
        LIVE['arrays'] += 1

    def __del__(self) -> None:
        LIVE['arrays'] -= 1

    def _rows(self, rows: Any) -> list[Doc]:
        if isinstance(rows, Rows_All):
            found = self.docs
        elif isinstance(rows, Rows_Span):
            found = self.docs[rows.value.start : rows.value.start + rows.value.count]
            assert len(found) == rows.value.count
        else:
            found = [self.docs[row] for row in rows.value]
        return found

    def _get(self, call: str, name: str, rows: Any) -> list[Any]:
        CALLS[call] += 1
        found = self._rows(rows)
        if len(found) > self.LIMIT:
            raise Err(Error_Limit('too many'))
        return [getattr(one, name) for one in found]

    def _set(self, call: str, name: str, rows: Any, values: list[Any]) -> None:
        CALLS[call] += 1
        found = self._rows(rows)
        assert len(found) == len(values), (call, len(found), len(values))
        for one, value in zip(found, values):
            setattr(one, name, value)

    def length(self) -> int:
        CALLS['length'] += 1
        return len(self.docs)

    def select(self, rows: Any) -> 'DocumentArray':
        CALLS['select'] += 1
        return DocumentArray(list(self._rows(rows)))

    def flatten(self, path: Any) -> 'DocumentArray':
        CALLS['flatten'] += 1
        docs = self.docs
        for name in path:
            docs = [below for one in docs for below in getattr(one, name.name.lower())]
        return DocumentArray(docs)

    def nested_lengths(self, name: Any, rows: Any) -> list[int]:
        return [len(value) for value in self._get('nested_lengths', name.name.lower(), rows)]

    def set_nested(self, name: Any, row: int, source: 'DocumentArray') -> None:
        CALLS['set_nested'] += 1
        owner = self.docs[row]
        below = [one.copy() for one in source.docs]
        for one in below:
            if name is NestedField.CHUNKS:
                one.parent_id, one.granularity = owner.id, owner.granularity + 1
            else:
                one.adjacency = owner.adjacency + 1
        setattr(owner, name.name.lower(), below)

    def append_new(self, count: int) -> None:
        CALLS['append_new'] += 1
        self.docs += [doc() for _ in range(count)]

    def extend(self, source: 'DocumentArray', rows: Any) -> None:
        CALLS['extend'] += 1
        self.docs += [one.copy() for one in source._rows(rows)]

    def arrange(self, order: list[int]) -> None:
        CALLS['arrange'] += 1
        assert len(set(order)) == len(order)
        self.docs[:] = [self.docs[row] for row in order]

    def strings(self, name: Any, rows: Any) -> list[str]:
        return self._get(f'strings {name.name}', name.name.lower(), rows)

    def set_strings(self, name: Any, rows: Any, values: list[str]) -> None:
        assert all(type(value) is str for value in values)
        self._set(f'set_strings {name.name}', name.name.lower(), rows, values)
        if name is StringField.TEXT:
            for one in self._rows(rows):
                one.content, one.blob, one.tensor = Content.TEXT, b'', None

    def json_objects(self, name: Any, rows: Any) -> list[str]:
        return self._get(f'json {name.name}', name.name.lower(), rows)

    def set_json_objects(self, name: Any, rows: Any, values: list[str]) -> None:
        self._set(f'set_json {name.name}', name.name.lower(), rows, values)

    def integers(self, name: Any, rows: Any) -> list[int]:
        return self._get(f'integers {name.name}', name.name.lower(), rows)

    def set_integers(self, name: Any, rows: Any, values: list[int]) -> None:
        self._set(f'set_integers {name.name}', name.name.lower(), rows, values)

    def floats(self, name: Any, rows: Any) -> list[float]:
        return self._get(f'floats {name.name}', name.name.lower(), rows)

    def set_floats(self, name: Any, rows: Any, values: list[float]) -> None:
        self._set(f'set_floats {name.name}', name.name.lower(), rows, values)

    def locations(self, rows: Any) -> list[list[float]]:
        return self._get('locations', 'location', rows)

    def set_locations(self, rows: Any, values: list[list[float]]) -> None:
        self._set('set_locations', 'location', rows, values)

    def contents(self, rows: Any) -> list[Any]:
        return self._get('contents', 'content', rows)

    def blobs(self, rows: Any) -> list[bytes]:
        return self._get('blobs', 'blob', rows)

    def set_blobs(self, rows: Any, values: list[bytes]) -> None:
        self._set('set_blobs', 'blob', rows, values)
        for one in self._rows(rows):
            one.content, one.text, one.tensor = Content.BLOB, '', None

    def ndarrays(self, name: Any, rows: Any) -> list[Any]:
        return self._get(f'ndarrays {name.name}', name.name.lower(), rows)

    def set_ndarrays(self, name: Any, rows: Any, values: list[Any]) -> None:
        self._set(f'set_ndarrays {name.name}', name.name.lower(), rows, values)
        if name is NdarrayField.TENSOR:
            for one in self._rows(rows):
                one.content, one.text, one.blob = Content.TENSOR, '', b''

    def matrix(self, name: Any, rows: Any) -> Any:
        arrays = self._get(f'matrix {name.name}', name.name.lower(), rows)
        if any(array is None or not isinstance(array.data, NdarrayData_Dense) for array in arrays):
            return None
        dense = [array.data.value for array in arrays]
        if any((one.dtype, one.shape) != (dense[0].dtype, dense[0].shape) for one in dense):
            return None
        buffer = b''.join(one.buffer for one in dense)
        return Matrix(dense[0].dtype, dense[0].shape, buffer, arrays[0].cls_name)

    def set_matrix(self, name: Any, rows: Any, matrix: Any) -> None:
        found = self._rows(rows)
        size = len(matrix.buffer) // len(found)
        arrays = [
            Ndarray(
                NdarrayData_Dense(
                    Dense(matrix.dtype, matrix.shape, matrix.buffer[at * size : (at + 1) * size])
                ),
                matrix.cls_name,
                '',
            )
            for at in range(len(found))
        ]
        self._set(f'set_matrix {name.name}', name.name.lower(), rows, arrays)
        if name is NdarrayField.TENSOR:
            for one in found:
                one.content, one.text, one.blob = Content.TENSOR, '', b''

    def scores(self, name: Any, rows: Any) -> list[Any]:
        return self._get(f'scores {name.name}', name.name.lower(), rows)

    def set_scores(self, name: Any, rows: Any, values: list[Any]) -> None:
        self._set(f'set_scores {name.name}', name.name.lower(), rows, values)

    def clear(self, fields: Any, rows: Any) -> None:
        CALLS['clear'] += 1
        assert fields is Fields.CONTENT
        for one in self._rows(rows):
            one.content, one.text, one.blob, one.tensor = Content.NONE, '', b'', None

    def sizes(self, fields: Any, rows: Any) -> list[int]:
        CALLS['sizes'] += 1
        return [
            len(one.text) + len(one.blob)
            if fields is Fields.CONTENT
            else len(one.embedding.data.value.buffer)
            if one.embedding is not None and isinstance(one.embedding.data, NdarrayData_Dense)
            else 0
            for one in self._rows(rows)
        ]


def dense(*values: float, dtype: str = '<f4') -> Any:
    """A vector as the host holds it."""
    from wasm_flow.ndarrays import array

    made = array(values, dtype[1:])
    return Ndarray(NdarrayData_Dense(Dense(dtype, [len(values)], made.tobytes())), 'numpy', '')


def install() -> None:
    """Puts this host where the package looks for one."""
    if 'wit_world' in sys.modules:
        return
    kinds = types.ModuleType('componentize_py_types')
    kinds.Err, kinds.Ok = Err, Ok
    documents = types.ModuleType('wit_world.imports.documents')
    for name, value in globals().items():
        if name[0].isupper():
            setattr(documents, name, value)
    imports = types.ModuleType('wit_world.imports')
    imports.documents = documents
    world = types.ModuleType('wit_world')
    world.imports = imports
    executor = types.ModuleType('wit_world.exports.executor')
    executor.Failure = _case('Failure', 'name', 'message', 'trace', 'details')
    executor.Method = _case(
        'Method',
        'name',
        'endpoints',
        'concurrency',
        'documentation',
        'parameters_schema',
        'details',
    )
    executor.Description = _case(
        'Description',
        'name',
        'version',
        'documentation',
        'methods',
        'config_schema',
        'sdk',
        'details',
    )
    executor.Concurrency = Enum('Concurrency', 'CONCURRENT EXCLUSIVE', start=0)
    exports = types.ModuleType('wit_world.exports')
    exports.executor = executor
    world.exports = exports
    for module in (kinds, world, imports, documents, exports, executor):
        sys.modules[module.__name__] = module
