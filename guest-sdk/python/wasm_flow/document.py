"""A document: docarray v1's `Document`.

It is a row of an array that the host holds, or an object of its own, and it does not
show which. A field of a row is read from the host when it is touched, for all rows of
the array at once. What is set stays here until the handler returns; `host.commit` then
writes it.
"""

from __future__ import annotations

import copy
import mimetypes
import os
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Iterable, Optional

from .score import scores_of

if TYPE_CHECKING:
    from .array import DocumentArray
    from .host.source import Source

# The fields that a row of the host has, by the kind of their values. `content` stands for
# one of the text, the blob and the tensor.
STRINGS = ('id', 'parent_id', 'uri', 'mime_type', 'modality')
INTEGERS = ('granularity', 'adjacency')
FLOATS = ('weight', 'offset')
OBJECTS = ('tags', '_metadata')
SCORES = ('scores', 'evaluations')
NESTED = ('chunks', 'matches')

# In the order in which docarray lists the fields that are not empty.
FIELDS = (
    'id',
    'parent_id',
    'granularity',
    'adjacency',
    'blob',
    'tensor',
    'mime_type',
    'text',
    'weight',
    'uri',
    'tags',
    '_metadata',
    'offset',
    'location',
    'embedding',
    'modality',
    'evaluations',
    'scores',
    'chunks',
    'matches',
)

# As in docarray: the later ones clear, or overwrite, what the earlier ones set.
_SET_LAST = ('text', 'blob', 'tensor', 'content', 'uri', 'mime_type', 'chunks', 'matches')
_SETTABLE = frozenset(FIELDS) | {'content'}


def _simple(name: str, default: Any, check: Any) -> property:
    """A field whose values cannot change in place."""

    def get(self: Document) -> Any:
        values = self._values
        if values is not None and name in values:
            return values[name]
        source = self._source
        if source is None:
            return default
        return source.column(name)[self._row]

    def set(self: Document, value: Any) -> None:
        self._set(name, default if value is None else check(name, value))

    return property(get, set)


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'`{name}` of a Document is a str, and not {type(value).__name__}')
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        value = value.__index__()
    except AttributeError:
        kind = type(value).__name__
        raise TypeError(f'`{name}` of a Document is an int, and not {kind}') from None
    if not 0 <= value < 1 << 32:
        raise ValueError(f'`{name}` of a Document is from 0 to 2**32 - 1, and not {value}')
    return value


def _float(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise TypeError(f'`{name}` of a Document is a number, and not {kind}') from None


class Document:
    """A document of any kind: text, bytes or an array, with an embedding, tags, scores,
    chunks and matches.

    Arguments that are no fields go into `tags`.
    """

    # Defaults are on the class, so that a row is made by two assignments.
    #
    # Where the document's row is, if it has one.
    _source: Optional['Source'] = None
    _row: int = 0
    # `text`, `blob`, `tensor` or '' for none, if the content was set here.
    _content: Optional[str] = None
    # Fields that were set here, or that were read and can change in place.
    _values: Optional[dict[str, Any]] = None
    # The text that a reader sees. An instance has it from the start, or from when the
    # column was read.
    _text: str

    def __init__(self, _obj: Any = None, copy: bool = False, **fields: Any) -> None:
        fields.pop('field_resolver', None)
        fields.pop('unknown_fields_handler', None)
        self._text = ''
        if _obj is not None:
            if isinstance(_obj, Document):
                self._become(_obj)
            elif isinstance(_obj, dict):
                fields.update(_obj)
            else:
                raise ValueError(
                    f'a Document is made of a Document or a dict, and not of {type(_obj).__name__}'
                )
        if fields:
            self._set_fields(fields)

    def _set_fields(self, fields: dict[str, Any]) -> None:
        unknown = {}
        last = None
        for name, value in fields.items():
            if name in _SET_LAST:
                last = True
            elif name in _SETTABLE:
                setattr(self, name, value)
            else:
                unknown[name] = value
        if last:
            for name in _SET_LAST:
                if name in fields:
                    setattr(self, name, fields[name])
        if unknown:
            self.tags.update(unknown)

    def __getattr__(self, name: str) -> Any:
        # Only called for what an instance does not have: the text of a row that was not
        # read yet.
        if name == '_text':
            assert self._source is not None
            self._source.read_texts(self)
            return self.__dict__['_text']
        if hasattr(type(self), name):
            # A field whose getter failed with an AttributeError: again, for that error.
            return object.__getattribute__(self, name)
        raise AttributeError(f'a Document has no `{name}`', name=name, obj=self)

    # --- what is set here ---------------------------------------------------

    def _set(self, name: str, value: Any) -> None:
        if self._values is None:
            self._values = {name: value}
        else:
            self._values[name] = value
        if self._source is not None:
            self._source.touched = True

    def _mutable(self, name: str, make: Any) -> Any:
        """The value of a field that can change in place: `make` makes it when it is first
        read, of the source."""
        values = self._values
        if values is None:
            values = self._values = {}
        elif name in values:
            return values[name]
        source = self._source
        if source is None:
            value = make(None, self)
        else:
            value = make(source, self)
            source.touched = True
        values[name] = value
        return value

    # --- the content --------------------------------------------------------

    def _set_content(self, kind: str, value: Any) -> None:
        self._content = kind
        self._text = ''
        values = self._values
        if values is None:
            values = self._values = {}
        else:
            values.pop('blob', None)
            values.pop('tensor', None)
        if kind:
            values[kind] = value
        if self._source is not None:
            self._source.touched = True

    def _unset_content(self, kind: str) -> None:
        if self.content_type == kind:
            self._set_content('', None)

    def _set_text(self, value: Optional[str]) -> None:
        if value.__class__ is not str:
            if value is None:
                self._unset_content('text')
                return
            value = str(_string('text', value))
        self._text = value
        self._content = 'text'
        if self._values:
            self._values.pop('blob', None)
            self._values.pop('tensor', None)
        if self._source is not None:
            self._source.touched = True

    if TYPE_CHECKING:
        text: str
        parent_id: str
        modality: str
        granularity: int
        adjacency: int
        weight: float
        offset: float
        _uri: str
        _mime_type: str
    else:
        # The getter is in C: it is what handlers call most.
        text = property(
            attrgetter('_text'), _set_text, doc='The text, or an empty one if there is none.'
        )
        parent_id = _simple('parent_id', '', _string)
        modality = _simple('modality', '', _string)
        granularity = _simple('granularity', 0, _integer)
        adjacency = _simple('adjacency', 0, _integer)
        weight = _simple('weight', 0.0, _float)
        offset = _simple('offset', 0.0, _float)
        _uri = _simple('uri', '', _string)
        _mime_type = _simple('mime_type', '', _string)

    @property
    def blob(self) -> bytes:
        """The bytes, or none if the content is of another kind."""
        if self._content is None:
            return b'' if self._source is None else self._source.column('blob')[self._row]
        if self._content == 'blob':
            return self._values['blob']  # type: ignore[index]
        return b''

    @blob.setter
    def blob(self, value: Any) -> None:
        if value is None:
            self._unset_content('blob')
            return
        if isinstance(value, (bytearray, memoryview)):
            value = bytes(value)
        if not isinstance(value, bytes):
            kind = type(value).__name__
            raise TypeError(f'`blob` of a Document is bytes, and not {kind}')
        self._set_content('blob', value)

    @property
    def tensor(self) -> Any:
        """The array, or None if the content is of another kind."""
        if self._content is None:
            if self._source is None:
                return None
            return self._mutable('tensor', _array('tensor'))
        if self._content == 'tensor':
            return self._values['tensor']  # type: ignore[index]
        return None

    @tensor.setter
    def tensor(self, value: Any) -> None:
        if value is None:
            self._unset_content('tensor')
        else:
            self._set_content('tensor', value)

    @property
    def content_type(self) -> Optional[str]:
        """`text`, `blob` or `tensor`, or None if there is no content."""
        if self._content is not None:
            return self._content or None
        if self._source is None:
            return None
        return self._source.column('content')[self._row]

    @property
    def content(self) -> Any:
        """The text, the bytes or the array, whichever is set."""
        kind = self.content_type
        return getattr(self, kind) if kind else None

    @content.setter
    def content(self, value: Any) -> None:
        if value is None:
            self._set_content('', None)
        elif isinstance(value, str):
            self.text = value
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self.blob = value
        else:
            self.tensor = value

    # --- simple fields ------------------------------------------------------

    @property
    def id(self) -> str:
        """32 random hexadecimal digits, unless it was set."""
        values = self._values
        if values is not None and 'id' in values:
            return values['id']
        # A client's document may come without one.
        value = '' if self._source is None else self._source.column('id')[self._row]
        if not value:
            value = os.urandom(16).hex()
            self._set('id', value)
        return value

    @id.setter
    def id(self, value: str) -> None:
        self._set('id', _string('id', value))

    @property
    def uri(self) -> str:
        """Where the content is."""
        return self._uri

    @uri.setter
    def uri(self, value: Optional[str]) -> None:
        if value:
            guess = mimetypes.guess_type(_string('uri', value))[0]
            if guess:
                self._mime_type = guess
        self._uri = value or ''

    @property
    def mime_type(self) -> str:
        """The content's media type."""
        return self._mime_type

    @mime_type.setter
    def mime_type(self, value: Optional[str]) -> None:
        if value and '/' not in _string('mime_type', value):
            value = mimetypes.guess_type(f'_.{value}')[0] or value
        self._mime_type = value or ''

    # --- fields that can change in place ------------------------------------

    @property
    def tags(self) -> dict[str, Any]:
        """Anything that JSON can express. Numbers come from clients as floats."""
        return self._mutable('tags', _object('tags'))

    @tags.setter
    def tags(self, value: Optional[dict[str, Any]]) -> None:
        self._set('tags', _dict('tags', value))

    @property
    def _metadata(self) -> dict[str, Any]:
        return self._mutable('_metadata', _object('_metadata'))

    @_metadata.setter
    def _metadata(self, value: Optional[dict[str, Any]]) -> None:
        self._set('_metadata', _dict('_metadata', value))

    @property
    def location(self) -> list[float]:
        """Numbers that say where it is in its parent."""
        return self._mutable('location', _location)

    @location.setter
    def location(self, value: Optional[Iterable[float]]) -> None:
        self._set('location', [] if value is None else list(value))

    @property
    def embedding(self) -> Any:
        """An array of numbers, or None."""
        values = self._values
        if values is not None and 'embedding' in values:
            return values['embedding']
        if self._source is None:
            return None
        return self._mutable('embedding', _array('embedding'))

    @embedding.setter
    def embedding(self, value: Any) -> None:
        self._set('embedding', value)

    @property
    def scores(self) -> dict[str, Any]:
        """`NamedScore`s by name."""
        return self._mutable('scores', _scores('scores'))

    @scores.setter
    def scores(self, value: Any) -> None:
        self._set('scores', scores_of(value))

    @property
    def evaluations(self) -> dict[str, Any]:
        """`NamedScore`s by name."""
        return self._mutable('evaluations', _scores('evaluations'))

    @evaluations.setter
    def evaluations(self, value: Any) -> None:
        self._set('evaluations', scores_of(value))

    @property
    def chunks(self) -> 'DocumentArray':
        """The documents that it is made of."""
        return self._mutable('chunks', _nested('chunks'))

    @chunks.setter
    def chunks(self, value: Any) -> None:
        self._set('chunks', _nested_of('chunks', self, value))

    @property
    def matches(self) -> 'DocumentArray':
        """The documents that were found for it."""
        return self._mutable('matches', _nested('matches'))

    @matches.setter
    def matches(self, value: Any) -> None:
        self._set('matches', _nested_of('matches', self, value))

    # --- as a whole ---------------------------------------------------------

    @property
    def non_empty_fields(self) -> tuple[str, ...]:
        """The names of the fields that hold something."""
        content = self.content_type
        names = []
        for name in FIELDS:
            if name in ('text', 'blob', 'tensor'):
                holds = content == name and (name == 'tensor' or bool(getattr(self, name)))
            elif name == 'embedding':
                holds = self.embedding is not None
            else:
                holds = bool(getattr(self, name))
            if holds:
                names.append(name)
        return tuple(names)

    def clear(self) -> None:
        """Empties all fields."""
        self.pop(*self.non_empty_fields)

    def pop(self, *fields: str) -> None:
        """Empties these fields."""
        for name in fields:
            if name in _SETTABLE:
                if name == 'id':
                    continue
                setattr(self, name, None)

    def copy_from(self, other: 'Document') -> None:
        """Takes over all fields of another document."""
        self._become(other)

    def _become(self, other: 'Document') -> None:
        if self._source is not None:
            # It stays the row that it is.
            for name in FIELDS:
                if name not in ('text', 'blob', 'tensor'):
                    setattr(self, name, copy.deepcopy(getattr(other, name)))
            self.content = copy.deepcopy(other.content)
            return
        if other._source is None:
            # So that both have the same one.
            other.id
        self._source = other._source
        self._row = other._row
        self._content = other._content
        if '_text' in other.__dict__:
            self._text = other._text
        else:
            self.__dict__.pop('_text', None)
        self._values = None
        for name, value in (other._values or {}).items():
            self._set(name, _copied(self, name, value))

    def __copy__(self) -> 'Document':
        return Document(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> 'Document':
        return Document(self)

    def __reduce__(self) -> Any:
        return Document, (self.to_dict(),)

    def to_dict(self, **_: Any) -> dict[str, Any]:
        """Its fields that hold something, with documents below it as dicts."""
        fields: dict[str, Any] = {'id': self.id}
        for name in self.non_empty_fields:
            value = getattr(self, name)
            if name in NESTED:
                value = [doc.to_dict() for doc in value]
            elif name in SCORES:
                value = {key: score.to_dict() for key, score in value.items()}
            fields[name] = value
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any], **_: Any) -> 'Document':
        """A document of the fields that `to_dict` gave."""
        return cls(dict(fields))

    def to_json(self, **_: Any) -> str:
        """As JSON. Bytes are base64, and arrays are lists."""
        import json

        return json.dumps(self.to_dict(), default=_as_json)

    @classmethod
    def from_json(cls, text: str, **_: Any) -> 'Document':
        """A document of what `to_json` gave."""
        import base64
        import json

        fields = json.loads(text)
        if isinstance(fields.get('blob'), str):
            fields['blob'] = base64.b64decode(fields['blob'])
        return cls(fields)

    def match(self, darray: 'DocumentArray', **options: Any) -> 'Document':
        """Finds the nearest of `darray` by embedding, and puts them into `matches`."""
        from .array import DocumentArray

        DocumentArray([self]).match(darray, **options)
        return self

    def get_vocabulary(self, text_attrs: Iterable[str] = ('text',)) -> dict[str, int]:
        """How often each word occurs in these fields."""
        from .hashing import vocabulary

        return vocabulary(self, text_attrs)

    def embed_feature_hashing(
        self,
        n_dim: int = 256,
        sparse: bool = False,
        fields: Iterable[str] = ('text', 'tags'),
        max_value: int = 1_000_000,
    ) -> 'Document':
        """Gives it an embedding of its words and tags, without a model."""
        from .hashing import hashed

        if sparse:
            raise NotImplementedError('there are no sparse arrays here')
        self.embedding = hashed(self, n_dim, fields, max_value)
        return self

    def _get_attributes(self, *names: str) -> Any:
        values = [dunder_get(self, name) for name in names]
        return values[0] if len(names) == 1 else values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        if self is other:
            return True
        names = self.non_empty_fields
        if names != other.non_empty_fields:
            return False
        return all(_equal(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f'<Document {self.non_empty_fields} at {self.id}>'


def _array(name: str) -> Any:
    def make(source: Optional['Source'], doc: Document) -> Any:
        return None if source is None else source.array_of(name, doc._row)

    return make


def _object(name: str) -> Any:
    def make(source: Optional['Source'], doc: Document) -> Any:
        return {} if source is None else source.object_of(name, doc._row)

    return make


def _scores(name: str) -> Any:
    def make(source: Optional['Source'], doc: Document) -> Any:
        return scores_of(None) if source is None else source.scores_of(name, doc._row)

    return make


def _location(source: Optional['Source'], doc: Document) -> Any:
    return [] if source is None else list(source.column('location')[doc._row])


def _nested(name: str) -> Any:
    def make(source: Optional['Source'], doc: Document) -> Any:
        from .array import Nested

        docs = [] if source is None else source.nested_of(name, doc._row)
        return Nested(docs, doc, name)

    return make


def _nested_of(name: str, doc: Document, value: Any) -> 'DocumentArray':
    from .array import Nested

    docs = [] if value is None else [value] if isinstance(value, Document) else list(value)
    docs = [Document(one) if isinstance(one, dict) else one for one in docs]
    nested = Nested(docs, doc, name)
    for one in docs:
        nested._adopt(one)
    return nested


def _dict(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f'`{name}` of a Document is a dict, and not {type(value).__name__}')
    return value


def _copied(doc: Document, name: str, value: Any) -> Any:
    if name in NESTED:
        from .array import Nested

        return Nested([Document(one) for one in value], doc, name)
    return copy.deepcopy(value)


def _equal(one: Any, other: Any) -> bool:
    if hasattr(one, 'tobytes') or hasattr(other, 'tobytes'):
        return (
            hasattr(one, 'tobytes')
            and hasattr(other, 'tobytes')
            and tuple(one.shape) == tuple(other.shape)
            and one.tolist() == other.tolist()
        )
    return bool(one == other)


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if hasattr(value, 'tolist'):
        return value.tolist()
    raise TypeError(f'{type(value).__name__} cannot be written as JSON')


def dunder_get(value: Any, path: str) -> Any:
    """An attribute, an item or a place, by a path such as `tags__name` or
    `scores__cosine__value`. None if a dict has no such item."""
    if not hasattr(value, path):
        name, dunder, rest = path.partition('__')
        if dunder and name:
            inner = _step(value, name)
            return None if inner is None else dunder_get(inner, rest)
    return _step(value, path)


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, (list, tuple)) and name.isdecimal():
        return value[int(name)]
    return getattr(value, name)
