"""The types of an array's numbers, in numpy's notation."""

from __future__ import annotations

import builtins
import struct
import sys
from array import array
from typing import TYPE_CHECKING, Any, Iterable


class dtype:
    """A type of numbers: `float32`, `<i8`, `bool` ..."""

    __slots__ = ('str', 'name', 'kind', 'itemsize', 'code', 'type')

    if TYPE_CHECKING:
        str: builtins.str
        name: builtins.str
        # `f`, `i`, `u` or `b`.
        kind: builtins.str
        itemsize: int
        # What `array` calls it.
        code: builtins.str
        type: Any

    def __new__(cls, value: Any = None) -> 'dtype':
        if isinstance(value, dtype):
            return value
        if value is None:
            return float64_type
        found = _NAMES.get(value) if isinstance(value, builtins.str) else _TYPES.get(value)
        if found is None and isinstance(value, builtins.str) and value[:1] in '<>=|' and value[1:]:
            found = _NAMES.get(f'<{value[1:]}') or _NAMES.get(f'|{value[1:]}')
        if found is None:
            known = ', '.join(dict.fromkeys(kind.name for kind in _ALL))
            raise TypeError(f'arrays here have no type {value!r}. There are {known}')
        return found

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        try:
            return dtype(other) is self
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.str)

    def __repr__(self) -> builtins.str:
        return f"dtype('{self.name}')"

    def __str__(self) -> builtins.str:
        return self.name

    def __reduce__(self) -> Any:
        return dtype, (self.str,)


class generic:
    """What the numbers have in common that arrays give one at a time."""

    __slots__ = ()
    dtype: dtype
    shape = ()
    ndim = 0
    size = 1

    def tolist(self) -> Any:
        """As a plain number of Python."""
        raise NotImplementedError

    def item(self) -> Any:
        """As a plain number of Python."""
        return self.tolist()

    def astype(self, kind: Any) -> Any:
        """As a number of another type."""
        return dtype(kind).type(self)


class floating(generic, float):
    """A number with a fraction."""

    __slots__ = ()

    def tolist(self) -> float:
        """As a plain number of Python."""
        return float(self)


class integer(generic, int):
    """A whole number."""

    __slots__ = ()

    def tolist(self) -> int:
        """As a plain number of Python."""
        return int(self)


class float16(floating):
    __slots__ = ()

    def __new__(cls, value: Any = 0.0) -> 'float16':
        return float.__new__(cls, struct.unpack('<e', struct.pack('<e', float(value)))[0])


class float32(floating):
    __slots__ = ()

    def __new__(cls, value: Any = 0.0) -> 'float32':
        return float.__new__(cls, array('f', (float(value),))[0])


class float64(floating):
    __slots__ = ()


class int8(integer):
    __slots__ = ()


class int16(integer):
    __slots__ = ()


class int32(integer):
    __slots__ = ()


class int64(integer):
    __slots__ = ()


class uint8(integer):
    __slots__ = ()


class uint16(integer):
    __slots__ = ()


class uint32(integer):
    __slots__ = ()


class uint64(integer):
    __slots__ = ()


def _make(text: str, name: str, code: str, type: Any) -> dtype:
    kind = object.__new__(dtype)
    kind.str = text
    kind.name = name
    kind.kind = text[1]
    kind.itemsize = int(text[2:])
    kind.code = code
    kind.type = type
    if type is not bool:
        type.dtype = kind
    return kind


# `code` is that of `array`. A float of 16 bits is kept as one of 32, and a bool as a byte.
float16_type = _make('<f2', 'float16', 'f', float16)
float32_type = _make('<f4', 'float32', 'f', float32)
float64_type = _make('<f8', 'float64', 'd', float64)
int8_type = _make('|i1', 'int8', 'b', int8)
int16_type = _make('<i2', 'int16', 'h', int16)
int32_type = _make('<i4', 'int32', 'i', int32)
int64_type = _make('<i8', 'int64', 'q', int64)
uint8_type = _make('|u1', 'uint8', 'B', uint8)
uint16_type = _make('<u2', 'uint16', 'H', uint16)
uint32_type = _make('<u4', 'uint32', 'I', uint32)
uint64_type = _make('<u8', 'uint64', 'Q', uint64)
bool_type = _make('|b1', 'bool', 'B', bool)

_ALL = (
    float16_type,
    float32_type,
    float64_type,
    int8_type,
    int16_type,
    int32_type,
    int64_type,
    uint8_type,
    uint16_type,
    uint32_type,
    uint64_type,
    bool_type,
)
_NAMES: dict[str, dtype] = {
    'float': float64_type,
    'double': float64_type,
    'single': float32_type,
    'half': float16_type,
    'int': int64_type,
    'bool_': bool_type,
    '?': bool_type,
}
for _kind in _ALL:
    _NAMES[_kind.name] = _NAMES[_kind.str] = _NAMES[_kind.str[1:]] = _kind
_TYPES: dict[Any, dtype] = {kind.type: kind for kind in _ALL}
_TYPES[float] = float64_type
_TYPES[int] = int64_type


def smallest_for(values: Iterable[Any]) -> dtype:
    """The type that numpy gives an array of these plain values."""
    kind = None
    for value in values:
        if isinstance(value, generic):
            own = value.dtype
        elif isinstance(value, bool):
            own = bool_type
        elif isinstance(value, int):
            own = int64_type
        elif isinstance(value, float):
            own = float64_type
        else:
            raise TypeError(f'an array holds numbers, and not {type(value).__name__}')
        kind = own if kind is None or kind is own else promoted(kind, own)
    return kind or float64_type


def promoted(one: dtype, other: dtype) -> dtype:
    """The type of what two types are computed to."""
    if one is other:
        return one
    if one.kind == 'b':
        return other
    if other.kind == 'b':
        return one
    if one.kind == other.kind:
        return one if one.itemsize >= other.itemsize else other
    if 'f' in (one.kind, other.kind):
        wide, whole = (one, other) if one.kind == 'f' else (other, one)
        # A float holds a whole number of half its size.
        size = max(wide.itemsize, min(8, whole.itemsize * 2))
        return dtype(f'f{size}')
    signed, unsigned = (one, other) if one.kind == 'i' else (other, one)
    if signed.itemsize > unsigned.itemsize:
        return signed
    return float64_type if unsigned.itemsize == 8 else dtype(f'i{unsigned.itemsize * 2}')


def packed(kind: dtype, values: Any) -> array:
    """The values as numbers of a type. Whole numbers wrap around."""
    if kind.kind == 'b':
        return array('B', [1 if value else 0 for value in values])
    if kind.kind != 'f':
        if not isinstance(values, array) or values.typecode in 'fd':
            values = [int(value) for value in values]
        try:
            return array(kind.code, values)
        except OverflowError:
            bits = kind.itemsize * 8
            least = -(1 << bits - 1) if kind.kind == 'i' else 0
            return array(kind.code, [(value - least) % (1 << bits) + least for value in values])
    if kind.itemsize == 2:
        values = list(values)
        return array(
            'f', struct.unpack(f'<{len(values)}e', struct.pack(f'<{len(values)}e', *values))
        )
    return array(kind.code, values)


def from_bytes(kind: str, buffer: Any) -> tuple[dtype, array]:
    """Numbers of what an array's buffer holds."""
    found = dtype(kind)
    count, rest = divmod(len(buffer), found.itemsize)
    if rest:
        raise ValueError(f'{len(buffer)} bytes are not a number of {found.name}')
    if found is float16_type:
        order = '>' if kind[:1] == '>' else '<'
        return found, array('f', struct.unpack(f'{order}{count}e', buffer))
    numbers = array(found.code)
    numbers.frombytes(buffer)
    if (kind[:1] == '>') != (sys.byteorder == 'big'):
        numbers.byteswap()
    return found, numbers


def to_bytes(kind: dtype, numbers: array) -> bytes:
    """The buffer of an array with these numbers."""
    if kind is float16_type:
        return struct.pack(f'<{len(numbers)}e', *numbers)
    if sys.byteorder == 'big' and kind.itemsize > 1:
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()
