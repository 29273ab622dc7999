"""An ordered list of documents: docarray v1's `DocumentArray`.

The documents of a request are made when they are first asked for. Whether the list
itself was changed is noted as it happens, so a handler that only reads costs nothing
afterwards.
"""

from __future__ import annotations

import itertools
import pickle
import random
import weakref
from collections.abc import MutableSequence, Sequence
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Optional, overload

from . import ndarrays as numbers
from . import traversal
from .document import Document, dunder_get
from .query import matches_query
from .search import nearest

if TYPE_CHECKING:
    from .host.source import Source


class DocumentArray(MutableSequence[Document]):
    """Documents in order, by their place, their id or what they hold.

    `docs[0]`, `docs['id']`, `docs[1:3]`, `docs[0, 2]`, `docs['@c']` and
    `docs[:, 'text']` are as in docarray.
    """

    # The documents, or None while they are the rows of the source.
    _docs: Optional[list[Document]] = None
    # Where the request's documents come from.
    _source: Optional['Source'] = None
    # Whether documents were added, removed, replaced or moved.
    _changed = False

    def __init__(self, docs: Any = None, copy: bool = False, **_: Any) -> None:
        if docs is None:
            self._docs = []
        elif isinstance(docs, Document):
            self._docs = [docs]
        else:
            self._docs = list(docs)
        if copy:
            self._docs = [Document(doc) for doc in self._docs]
        for doc in self._docs:
            if doc.__class__ is not Document:
                _checked(doc)

    @classmethod
    def _of(cls, source: 'Source') -> 'DocumentArray':
        """All rows of a source."""
        array = object.__new__(cls)
        array._source = source
        return array

    @classmethod
    def empty(cls, size: int = 0, **_: Any) -> 'DocumentArray':
        """So many empty documents."""
        return cls(Document() for _ in range(size))

    def _list(self) -> list[Document]:
        docs = self._docs
        if docs is None:
            source = self._source
            assert source is not None
            docs = self._docs = source.documents()
            source.array = weakref.ref(self)
        return docs

    def _pristine(self) -> Optional['Source']:
        """The source, if nothing was changed that is read from it."""
        source = self._source
        if source is None or source.touched or self._changed:
            return None
        return source

    def _adopt(self, doc: Document) -> None:
        """Marks a document that is put into the list: chunks and matches do."""

    # --- as a list ----------------------------------------------------------

    def __len__(self) -> int:
        if self._docs is None:
            return self._source.length  # type: ignore[union-attr]
        return len(self._docs)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Document]:
        docs = self._docs
        return iter(self._list() if docs is None else docs)

    def __reversed__(self) -> Iterator[Document]:
        return reversed(self._list())

    def __contains__(self, doc: object) -> bool:
        if isinstance(doc, Document):
            doc = doc.id
        return doc in self._ids()

    def _ids(self) -> list[str]:
        source = self._pristine()
        if source is not None:
            return source.column('id')
        return [doc.id for doc in self._list()]

    def _place(self, id: str) -> int:
        try:
            return self._ids().index(id)
        except ValueError:
            raise KeyError(f'no document here has the id {id!r}') from None

    def append(self, document: Document) -> None:
        """Adds a document at the end."""
        docs = self._list()
        self._adopt(_checked(document))
        docs.append(document)
        self._changed = True

    def insert(self, index: int, value: Document) -> None:
        """Adds a document before this place."""
        docs = self._list()
        self._adopt(_checked(value))
        docs.insert(index, value)
        self._changed = True

    def extend(self, values: Iterable[Document]) -> None:
        """Adds documents at the end."""
        docs = self._list()
        added = [values] if isinstance(values, Document) else list(values)
        for doc in added:
            self._adopt(_checked(doc))
        docs.extend(added)
        self._changed = True

    def clear(self) -> None:
        """Removes all documents."""
        self._docs = []
        self._changed = True

    def reverse(self) -> None:
        """Turns the order around."""
        self._list().reverse()
        self._changed = True

    def sort(self, key: Optional[Callable[[Document], Any]] = None, reverse: bool = False) -> None:
        """Sorts the documents in place."""
        self._list().sort(key=key, reverse=reverse)
        self._changed = True

    def index(self, value: Any, start: int = 0, stop: Optional[int] = None) -> int:
        """The place of a document."""
        docs = self._list()
        return docs.index(value, start, len(docs) if stop is None else stop)

    def __add__(self, other: Any) -> 'DocumentArray':
        array = DocumentArray(self)
        array.extend(other)
        return array

    def __iadd__(self, other: Any) -> 'DocumentArray':
        self.extend(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DocumentArray):
            return NotImplemented
        return self is other or self._list() == other._list()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f'<DocumentArray (length={len(self)}) at {id(self)}>'

    def __copy__(self) -> 'DocumentArray':
        return DocumentArray(self)

    def __deepcopy__(self, memo: Any) -> 'DocumentArray':
        return DocumentArray(self, copy=True)

    def __reduce__(self) -> Any:
        return DocumentArray, (list(self),)

    # --- by place, id, path and attribute -----------------------------------

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> 'DocumentArray': ...
    @overload
    def __getitem__(self, index: Any) -> Any: ...

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is int:
            return self._list()[index]
        if isinstance(index, str):
            if index.startswith('@'):
                return self.traverse_flat(index[1:])
            return self._list()[self._place(index)]
        if isinstance(index, slice):
            return DocumentArray(self._list()[index])
        if index is Ellipsis:
            return self.flatten()
        if isinstance(index, numbers.ndarray):
            return self[index.squeeze().tolist()]
        if isinstance(index, Sequence):
            return self._by_sequence(index)
        try:
            return self._list()[index.__index__()]
        except AttributeError:
            raise _unsupported(index) from None

    def _by_sequence(self, index: Sequence) -> Any:
        if _is_pair(index):
            which, names = index
            if isinstance(names, str):
                if isinstance(which, (str, int)) and not _is_path(which):
                    if names in self:
                        return DocumentArray([self[which], self[names]])
                    return dunder_get(self[which], names)
                names = (names,)
            return self._selected(which)._get_attributes(*names)
        if not index:
            return DocumentArray()
        if isinstance(index[0], bool):
            return DocumentArray(itertools.compress(self._list(), index))
        if isinstance(index[0], (int, str)):
            return DocumentArray(self[one] for one in index)
        raise _unsupported(index)

    def _selected(self, which: Any) -> 'DocumentArray':
        """The documents that the first of a pair names. For all of them, this array
        itself, so that their columns need not be taken apart."""
        if isinstance(which, slice) and which == slice(None):
            return self
        selected = self[which]
        return DocumentArray([selected]) if isinstance(selected, Document) else selected

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is int:
            self._replace(index, value)
        elif isinstance(index, str):
            if index.startswith('@'):
                _overwrite(self[index], value)
            elif index in self:
                self._replace(self._place(index), value)
            else:
                self.append(value)
        elif isinstance(index, slice):
            added = [_checked(doc) for doc in value]
            for doc in added:
                self._adopt(doc)
            self._list()[index] = added
            self._changed = True
        elif index is Ellipsis:
            _overwrite(self.flatten(), value)
        elif isinstance(index, numbers.ndarray):
            self[index.squeeze().tolist()] = value
        elif isinstance(index, Sequence):
            self._set_by_sequence(index, value)
        else:
            try:
                self._replace(index.__index__(), value)
            except AttributeError:
                raise _unsupported(index) from None

    def _replace(self, place: int, value: Any) -> None:
        docs = self._list()
        if not isinstance(value, Document):
            # `docs[0] = 'text'`, as Jina's own documentation has it.
            docs[place].content = value
            return
        self._adopt(value)
        docs[place] = value
        self._changed = True

    def _set_by_sequence(self, index: Sequence, value: Any) -> None:
        if _is_pair(index):
            which, names = index
            if not (isinstance(which, (str, int)) and isinstance(names, str) and names in self):
                selected = self._selected(which)
                single = isinstance(which, (str, int)) and not _is_path(which)
                if isinstance(names, str):
                    names, value = (names,), (value,)
                for name, values in zip(names, value):
                    _set_attribute(selected, name, [values] if single else values)
                return
        places = index
        if index and isinstance(index[0], bool):
            places = list(itertools.compress(range(len(self)), index))
        for place, one in zip(places, value):
            self[place] = one

    def __delitem__(self, index: Any) -> None:
        docs = self._list()
        if isinstance(index, str):
            del docs[self._place(index)]
        elif isinstance(index, slice):
            del docs[index]
        elif index is Ellipsis:
            docs.clear()
        elif isinstance(index, numbers.ndarray):
            del self[index.squeeze().tolist()]
            return
        elif isinstance(index, Sequence):
            if _is_pair(index) and not (
                isinstance(index[0], (str, int)) and isinstance(index[1], str) and index[1] in self
            ):
                names = (index[1],) if isinstance(index[1], str) else index[1]
                for doc in self._selected(index[0]):
                    doc.pop(*names)
                return
            if index and isinstance(index[0], bool):
                gone = set(itertools.compress(range(len(docs)), index))
            else:
                gone = {
                    self._place(one) if isinstance(one, str) else range(len(docs))[one]
                    for one in index
                }
            docs[:] = [doc for place, doc in enumerate(docs) if place not in gone]
        else:
            try:
                del docs[index.__index__()]
            except AttributeError:
                raise _unsupported(index) from None
        self._changed = True

    # --- columns ------------------------------------------------------------

    def _get_attributes(self, *names: str) -> Any:
        columns = [self._column(name) for name in names]
        return columns[0] if len(names) == 1 else columns

    def _column(self, name: str) -> Any:
        if name == 'text':
            return self.texts or []
        if name == 'embedding':
            return self.embeddings
        if name == 'tensor':
            return self.tensors
        if name == 'id':
            return list(self._ids())
        return [dunder_get(doc, name) for doc in self._list()]

    @property
    def texts(self) -> Optional[list[str]]:
        """All texts, or None if there are no documents."""
        if not self:
            return None
        source = self._pristine()
        if source is not None:
            return list(source.column('text'))
        return [doc.text for doc in self._list()]

    @texts.setter
    def texts(self, value: Optional[Sequence[str]]) -> None:
        _set_attribute(self, 'text', value)

    @property
    def blobs(self) -> Optional[list[bytes]]:
        """The bytes of all documents, or None if there are no documents."""
        return [doc.blob for doc in self._list()] if self else None

    @blobs.setter
    def blobs(self, value: Optional[Sequence[bytes]]) -> None:
        _set_attribute(self, 'blob', value)

    @property
    def embeddings(self) -> Any:
        """All embeddings, stacked to a matrix, or None if there are none."""
        return self._stacked('embedding')

    @embeddings.setter
    def embeddings(self, value: Any) -> None:
        _set_attribute(self, 'embedding', value)

    @property
    def tensors(self) -> Any:
        """All tensors, stacked, or None if there are none."""
        return self._stacked('tensor')

    @tensors.setter
    def tensors(self, value: Any) -> None:
        _set_attribute(self, 'tensor', value)

    def _stacked(self, name: str) -> Any:
        if not self:
            return None
        source = self._pristine()
        if source is not None:
            matrix = source.matrix_of(name)
            if matrix is not None:
                return matrix
        arrays = [getattr(doc, name) for doc in self._list()]
        if all(array is None for array in arrays):
            return None
        if any(array is None for array in arrays):
            raise ValueError(f'some documents have no {name}, so they cannot be stacked')
        return numbers.stack(arrays)

    @property
    def contents(self) -> Any:
        """The texts, the bytes or the tensors of all documents."""
        if not self:
            return None
        kind = self._list()[0].content_type or self._list()[-1].content_type
        return getattr(self, f'{kind}s') if kind else None

    @contents.setter
    def contents(self, value: Any) -> None:
        for doc, one in zip(self._list(), value):
            doc.content = one

    # --- documents below ----------------------------------------------------

    def traverse(self, traversal_paths: str, filter_fn: Any = None) -> Iterator['DocumentArray']:
        """The lists of documents at these paths: `r`, `c`, `m`, `cm`, `c[0:2],m` ..."""
        return traversal.traverse(self, traversal_paths, filter_fn)

    def traverse_flat(self, traversal_paths: str, filter_fn: Any = None) -> 'DocumentArray':
        """The documents at these paths, as one array."""
        if traversal_paths == 'r' and filter_fn is None:
            return self
        lists = self.traverse(traversal_paths, filter_fn)
        return DocumentArray(itertools.chain.from_iterable(lists))

    def traverse_flat_per_path(
        self, traversal_paths: str, filter_fn: Any = None
    ) -> Iterator['DocumentArray']:
        """The documents at these paths, as an array for each path."""
        for path in traversal.paths(traversal_paths):
            lists = traversal.traverse(self, path, filter_fn)
            yield DocumentArray(itertools.chain.from_iterable(lists))

    def flatten(self) -> 'DocumentArray':
        """All documents and those below them, as one array."""
        return DocumentArray(traversal.flattened(self))

    # --- search -------------------------------------------------------------

    def find(
        self, query: Any = None, metric: Any = 'cosine', limit: Any = 20, **options: Any
    ) -> Any:
        """The documents that a query holds for (`{'tags__price': {'$lt': 5}}`), or the
        nearest ones to a document, to documents or to an array, by embedding."""
        filter = options.pop('filter', None)
        if isinstance(query, dict) or query is None:
            condition = query if query is not None else filter
            if not isinstance(condition, dict):
                raise ValueError('find takes a query: a dict, a document, documents or an array')
            if query is not None and filter is not None:
                raise ValueError('find takes a dict as its query or as `filter`, and not both')
            return DocumentArray(doc for doc in self._list() if matches_query(doc, condition))
        if isinstance(query, str):
            raise NotImplementedError('a DocumentArray has no search by text; search by embedding')
        if filter is not None:
            raise ValueError('a search by embedding takes no `filter` here: filter with find first')
        return nearest(self, query, metric, limit, **options)

    def match(
        self, darray: 'DocumentArray', metric: Any = 'cosine', limit: Any = 20, **options: Any
    ) -> None:
        """Puts the nearest documents of `darray` into the `matches` of each document."""
        if not self or not darray:
            return
        found = darray.find(DocumentArray(self), metric=metric, limit=limit, **options)
        for doc, matches in zip(self._list(), found):
            doc.matches = matches

    # --- parts of it --------------------------------------------------------

    def batch(self, batch_size: int, shuffle: bool = False, **_: Any) -> Iterator['DocumentArray']:
        """Arrays of so many documents; the last one may have fewer."""
        if not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError('`batch_size` is a whole number above 0')
        docs = list(self._list())
        if shuffle:
            random.shuffle(docs)
        for start in range(0, len(docs), batch_size):
            yield DocumentArray(docs[start : start + batch_size])

    def batch_ids(self, batch_size: int, shuffle: bool = False) -> Iterator[list[str]]:
        """The ids of the documents, so many at a time."""
        for part in self.batch(batch_size, shuffle):
            yield part._ids()

    def split_by_tag(self, tag: str) -> dict[Any, 'DocumentArray']:
        """The documents by the value of a tag. Those without the tag are left out."""
        parts: dict[Any, DocumentArray] = {}
        for doc in self._list():
            value = dunder_get(doc.tags, tag)
            if value is not None or tag in doc.tags:
                parts.setdefault(value, DocumentArray()).append(doc)
        return parts

    def sample(self, k: int, seed: Optional[int] = None) -> 'DocumentArray':
        """So many of the documents, at random."""
        return DocumentArray(_generator(seed).sample(self._list(), k))

    def shuffle(self, seed: Optional[int] = None) -> 'DocumentArray':
        """The documents in a random order, as a new array."""
        return self.sample(len(self), seed)

    def apply(self, func: Callable[[Document], Any], *_: Any, **__: Any) -> 'DocumentArray':
        """Replaces each document by what the function makes of it."""
        self[:] = [func(doc) or doc for doc in self._list()]
        return self

    def map(self, func: Callable[[Document], Any], *_: Any, **__: Any) -> Iterator[Any]:
        """What the function makes of each document."""
        return map(func, self._list())

    def reduce(self, other: 'DocumentArray') -> 'DocumentArray':
        """Takes over the documents of another array. Of those with the same id, it takes
        the fields that are empty here."""
        places = {doc.id: doc for doc in self._list()}
        for doc in other:
            own = places.get(doc.id)
            if own is None:
                places[doc.id] = doc
                self.append(doc)
            else:
                _reduce(own, doc)
        return self

    def reduce_all(self, others: Iterable['DocumentArray']) -> 'DocumentArray':
        """The same with several arrays."""
        for other in others:
            self.reduce(other)
        return self

    # --- as something else --------------------------------------------------

    def to_list(self, **_: Any) -> list[dict[str, Any]]:
        """The documents as dicts."""
        return [doc.to_dict() for doc in self._list()]

    to_dict = to_list

    @classmethod
    def from_list(cls, values: Iterable[dict[str, Any]], **_: Any) -> 'DocumentArray':
        """The documents of what `to_list` gave."""
        return cls(Document.from_dict(value) for value in values)

    from_dict = from_list

    def to_json(self, **_: Any) -> str:
        """The documents as JSON."""
        return f'[{",".join(doc.to_json() for doc in self._list())}]'

    @classmethod
    def from_json(cls, text: str, **_: Any) -> 'DocumentArray':
        """The documents of what `to_json` gave."""
        import json

        return cls(Document.from_json(json.dumps(value)) for value in json.loads(text))

    def save_json(self, file: Any, **_: Any) -> None:
        """Writes the documents to a file, as JSON."""
        with open(file, 'w', encoding='utf-8') as opened:
            opened.write(self.to_json())

    @classmethod
    def load_json(cls, file: Any, **_: Any) -> 'DocumentArray':
        """Reads what `save_json` wrote."""
        with open(file, encoding='utf-8') as opened:
            return cls.from_json(opened.read())

    def to_bytes(self, **_: Any) -> bytes:
        """The documents as bytes, which only `from_bytes` reads."""
        return pickle.dumps(self.to_list())

    @classmethod
    def from_bytes(cls, data: bytes, **_: Any) -> 'DocumentArray':
        """The documents of what `to_bytes` gave. Never use bytes that somebody else made:
        they can run code."""
        return cls.from_list(pickle.loads(data))

    def save_binary(self, file: Any, **_: Any) -> None:
        """Writes the documents to a file, which only `load_binary` reads."""
        with open(file, 'wb') as opened:
            opened.write(self.to_bytes())

    @classmethod
    def load_binary(cls, file: Any, **_: Any) -> 'DocumentArray':
        """Reads what `save_binary` wrote, which is as `from_bytes`."""
        with open(file, 'rb') as opened:
            return cls.from_bytes(opened.read())

    save, load = save_binary, load_binary

    def summary(self) -> None:
        """Prints how many documents there are, and which fields they hold."""
        print(f'DocumentArray with {len(self)} documents')
        fields = itertools.chain.from_iterable(doc.non_empty_fields for doc in self._list())
        counts: dict[str, int] = {}
        for name in fields:
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            print(f'  {name}: {count}')


class Nested(DocumentArray):
    """The chunks or the matches of a document."""

    def __init__(self, docs: list[Document], owner: Document, field: str) -> None:
        self._docs = docs
        # Not the document itself: it has this list, and a cycle would keep the host's
        # documents until the garbage collector comes by.
        self._owner = weakref.ref(owner)
        self._field = field

    @property
    def reference_doc(self) -> Optional[Document]:
        """The document that has them."""
        return self._owner()

    def _adopt(self, doc: Document) -> None:
        owner = self._owner()
        if owner is None:
            return
        if self._field == 'chunks':
            doc.parent_id = owner.id
            doc.granularity = owner.granularity + 1
        else:
            doc.adjacency = owner.adjacency + 1


def _checked(doc: Any) -> Document:
    if not isinstance(doc, Document):
        raise TypeError(f'a DocumentArray holds Documents, and not {type(doc).__name__}')
    return doc


def _unsupported(index: Any) -> IndexError:
    return IndexError(f'a DocumentArray has no index of the type {type(index).__name__}: {index!r}')


def _is_path(index: Any) -> bool:
    return isinstance(index, str) and index.startswith('@')


def _is_pair(index: Any) -> bool:
    """Whether it names documents and attributes."""
    return (
        isinstance(index, tuple)
        and len(index) == 2
        and (isinstance(index[0], (slice, Sequence, int)) or index[0] is Ellipsis)
        and isinstance(index[1], (str, Sequence))
    )


def _overwrite(docs: 'DocumentArray', values: Iterable[Document]) -> None:
    for doc, value in zip(docs, values):
        doc.copy_from(value)


def _set_attribute(docs: 'DocumentArray', name: str, values: Any) -> None:
    rows = docs._list()
    if name in ('embedding', 'tensor') and hasattr(values, 'shape'):
        count = values.shape[0] if values.shape else 0
    elif isinstance(values, (list, tuple)):
        count = len(values)
    else:
        # One value for all.
        values = [values] * len(rows)
        count = len(rows)
    if count != len(rows):
        raise ValueError(f'{count} values of `{name}` for {len(rows)} documents')
    for doc, value in zip(rows, values):
        setattr(doc, name, value)


def _generator(seed: Optional[int]) -> Any:
    return random if seed is None else random.Random(seed)


def _reduce(one: Document, other: Document) -> None:
    held = set(one.non_empty_fields)
    if one.content_type is not None:
        held |= {'text', 'blob', 'tensor'}
    for name in other.non_empty_fields:
        if name in ('id', 'parent_id'):
            continue
        if name in ('chunks', 'matches'):
            getattr(one, name).reduce(getattr(other, name))
        elif name not in held:
            setattr(one, name, getattr(other, name))
