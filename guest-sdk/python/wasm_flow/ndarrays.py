"""Arrays of numbers: the part of numpy that executors use most, in plain Python.

An array is a view of a buffer of numbers, so a slice shares what it is a slice of, as in
numpy. Numbers of the same type as numpy's come out; sums may differ in the last bits.
"""

from __future__ import annotations

import math
import operator
from array import array as buffer
from typing import Any, Callable, Iterable, Iterator, Optional, Sequence

from .dtype import (
    bool_type,
    dtype,
    float16_type,
    float32_type,
    float64_type,
    from_bytes,
    generic,
    int64_type,
    packed,
    promoted,
    smallest_for,
    to_bytes,
)

if hasattr(math, 'sumprod'):
    sumprod: Callable[[Any, Any], float] = math.sumprod
else:

    def sumprod(one: Any, other: Any) -> float:
        return sum(map(operator.mul, one, other))


class ndarray:
    """An array of numbers of one type, with any number of dimensions."""

    __slots__ = ('_data', '_offset', '_strides', 'shape', 'dtype', '__weakref__')
    # Plain numbers and lists leave an operator to the array.
    __array_priority__ = 1.0
    __hash__ = None  # type: ignore[assignment]

    _data: buffer
    # In numbers, not in bytes.
    _offset: int
    _strides: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: dtype

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError('an array is made by array(), zeros(), ones() or such')

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> 'ndarray':
        """With the dimensions in the opposite order."""
        return self.transpose()

    @property
    def flat(self) -> Iterator[Any]:
        """All numbers, row by row."""
        return iter(self.ravel())

    # --- its numbers --------------------------------------------------------

    def _is_contiguous(self) -> bool:
        return self._strides == _row_major(self.shape)

    def _numbers(self) -> buffer:
        """All numbers, row by row. It may be the array's own buffer."""
        if self._is_contiguous():
            size = self.size
            if self._offset == 0 and size == len(self._data):
                return self._data
            return self._data[self._offset : self._offset + size]
        data = self._data
        return buffer(data.typecode, [data[place] for place in self._places()])

    def _places(self) -> list[int]:
        """Where its numbers are in the buffer, row by row."""
        return _places(self.shape, self._strides, self._offset)

    def _scalar(self, value: Any) -> Any:
        return bool(value) if self.dtype is bool_type else self.dtype.type(value)

    def tolist(self) -> Any:
        """Nested lists of plain numbers."""
        values: Any = self._numbers()
        values = [bool(value) for value in values] if self.dtype is bool_type else values.tolist()
        if not self.shape:
            return values[0]
        for length in reversed(self.shape[1:]):
            count = len(values) // length if length else math.prod(self.shape[:-1])
            values = [values[at * length : (at + 1) * length] for at in range(count)]
        return values

    def tobytes(self) -> bytes:
        """Its buffer, row by row, with little-endian numbers."""
        return to_bytes(self.dtype, self._numbers())

    def item(self, *index: int) -> Any:
        """One number of it, as a plain number of Python."""
        if index:
            value = self[index if len(index) > 1 else index[0]]
            return value.item() if isinstance(value, (generic, ndarray)) else value
        if self.size != 1:
            raise ValueError(f'an array of {self.size} numbers is not one number')
        value = self._numbers()[0]
        return bool(value) if self.dtype is bool_type else value

    def astype(self, kind: Any, copy: bool = True) -> 'ndarray':
        """Its numbers as another type."""
        kind = dtype(kind)
        if kind is self.dtype and not copy:
            return self
        return _fresh(packed(kind, self._numbers()), self.shape, kind)

    def copy(self) -> 'ndarray':
        """A copy that shares nothing."""
        return _fresh(self._numbers()[:], self.shape, self.dtype)

    def fill(self, value: Any) -> None:
        """Sets all numbers to one."""
        self[...] = value

    def __copy__(self) -> 'ndarray':
        return self.copy()

    def __deepcopy__(self, memo: Any) -> 'ndarray':
        return self.copy()

    def __reduce__(self) -> Any:
        return frombuffer, (self.tobytes(), self.dtype.str, self.shape)

    # --- its shape ----------------------------------------------------------

    def reshape(self, *shape: Any) -> 'ndarray':
        """The same numbers in another shape, of which one length may be -1."""
        lengths = list(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
        size = self.size
        if -1 in lengths:
            known = -math.prod(lengths)
            if known and size % known == 0:
                lengths[lengths.index(-1)] = size // known
        if math.prod(lengths) != size or any(length < 0 for length in lengths):
            raise ValueError(f'an array of {size} numbers has not the shape {tuple(lengths)}')
        if self._is_contiguous():
            return _view(self, tuple(lengths), _row_major(lengths), self._offset)
        return _fresh(self._numbers(), tuple(lengths), self.dtype)

    def ravel(self) -> 'ndarray':
        """The same numbers in one dimension."""
        return self.reshape(-1)

    def flatten(self) -> 'ndarray':
        """A copy in one dimension."""
        return self.copy().reshape(-1)

    def transpose(self, *axes: Any) -> 'ndarray':
        """The same numbers with the dimensions in another order."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = tuple(axes[0])
        order = [_axis(self, axis) for axis in axes] if axes else range(self.ndim)[::-1]
        return _view(
            self,
            tuple(self.shape[axis] for axis in order),
            tuple(self._strides[axis] for axis in order),
            self._offset,
        )

    def squeeze(self, axis: Optional[int] = None) -> 'ndarray':
        """Without the dimensions that have the length 1."""
        kept = [
            place
            for place, length in enumerate(self.shape)
            if length != 1 or axis is not None and place != _axis(self, axis)
        ]
        return _view(
            self,
            tuple(self.shape[place] for place in kept),
            tuple(self._strides[place] for place in kept),
            self._offset,
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError('an array of no dimensions has no length')
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if len(self.shape) == 1:
            return map(self._scalar, self._numbers())
        return (self[place] for place in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                'an array of several numbers is neither true nor false: ask any() or all()'
            )
        return bool(self._numbers()[0])

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __contains__(self, value: Any) -> bool:
        return value in self._numbers()

    # --- parts of it --------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is int and len(self.shape) == 1:
            length = self.shape[0]
            if not -length <= index < length:
                raise IndexError(f'place {index} is not in an array of {length} numbers')
            return self._scalar(self._data[self._offset + index % length * self._strides[0]])
        if isinstance(index, ndarray) and index.dtype is bool_type and index.ndim == self.ndim:
            places = self._masked(index)
            return _fresh(self._picked(places), (len(places),), self.dtype)
        view, chosen = self._located(index)
        if chosen is not None:
            lengths, places = chosen
            return _fresh(self._picked(places), lengths, self.dtype)
        if not view.shape and not _has_ellipsis(index):
            return self._scalar(self._data[view._offset])
        return view

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, ndarray) and index.dtype is bool_type and index.ndim == self.ndim:
            places = self._masked(index)
            shape: tuple[int, ...] = (len(places),)
        else:
            view, chosen = self._located(index)
            shape, places = (view.shape, view._places()) if chosen is None else chosen
        values = packed(self.dtype, broadcast_to(asarray(value), shape)._numbers())
        data = self._data
        for place, number in zip(places, values):
            data[place] = number

    def _picked(self, places: Sequence[int]) -> buffer:
        data = self._data
        return buffer(data.typecode, [data[place] for place in places])

    def _masked(self, mask: 'ndarray') -> list[int]:
        if mask.shape != self.shape:
            raise IndexError(f'a mask of the shape {mask.shape} does not fit one of {self.shape}')
        return [place for place, wanted in zip(self._places(), mask._numbers()) if wanted]

    def _located(self, index: Any) -> tuple['ndarray', Optional[tuple[tuple[int, ...], list[int]]]]:
        """The view that an index names; or, if it has lists of places, the shape of what it
        names and where that is in the buffer."""
        parts = index if isinstance(index, tuple) else (index,)
        used = sum(part is not None and part is not Ellipsis for part in parts)
        if used > len(self.shape):
            raise IndexError(f'{used} places for an array of {len(self.shape)} dimensions')
        shape: list[int] = []
        strides: list[int] = []
        offset = self._offset
        # Dimension of the result, and the lists of places there.
        lists: list[tuple[int, list[int], int]] = []
        within: range
        axis = 0
        for part in parts:
            if part is None:
                shape.append(1)
                strides.append(0)
                continue
            if part is Ellipsis:
                for _ in range(len(self.shape) - used):
                    shape.append(self.shape[axis])
                    strides.append(self._strides[axis])
                    axis += 1
                continue
            length, stride = self.shape[axis], self._strides[axis]
            axis += 1
            if isinstance(part, slice):
                within = range(length)[part]
                shape.append(len(within))
                strides.append(within.step * stride)
                offset += within.start * stride if len(within) else 0
            elif isinstance(part, (list, ndarray, range)) and not (
                isinstance(part, ndarray) and not part.shape
            ):
                lists.append((len(shape), _listed(part, length), stride))
            else:
                try:
                    place = operator.index(part)
                except TypeError:
                    raise IndexError(f'{part!r} is not a place in an array') from None
                if not -length <= place < length:
                    raise IndexError(f'place {place} is not in a dimension of {length}')
                offset += place % length * stride
        shape += self.shape[axis:]
        strides += self._strides[axis:]
        view = _view(self, tuple(shape), tuple(strides), offset)
        if not lists:
            return view, None
        # Several lists go together, place by place.
        count = max(len(places) for _, places, _ in lists)
        steps = [0] * count
        for _, places, stride in lists:
            if len(places) not in (1, count):
                raise IndexError('lists of places in one index have to have the same length')
            for at in range(count):
                steps[at] += places[at if len(places) > 1 else 0] * stride
        at = lists[0][0]
        before = _places(shape[:at], strides[:at], offset)
        after = _places(shape[at:], strides[at:], 0)
        places = [one + step + rest for one in before for step in steps for rest in after]
        return view, ((*shape[:at], count, *shape[at:]), places)

    # --- computing ----------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return _computed(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _computed(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _computed(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _computed(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _computed(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _computed(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _computed(_divided, self, other, fraction=True)

    def __rtruediv__(self, other: Any) -> Any:
        return _computed(_divided, other, self, fraction=True)

    def __floordiv__(self, other: Any) -> Any:
        return _computed(_floor_divided, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _computed(_floor_divided, other, self)

    def __mod__(self, other: Any) -> Any:
        return _computed(_remainder, self, other)

    def __rmod__(self, other: Any) -> Any:
        return _computed(_remainder, other, self)

    def __pow__(self, other: Any) -> Any:
        return _computed(_power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _computed(_power, other, self)

    def __neg__(self) -> 'ndarray':
        return _mapped(operator.neg, self)

    def __pos__(self) -> 'ndarray':
        return self.copy()

    def __abs__(self) -> 'ndarray':
        return _mapped(abs, self)

    def __invert__(self) -> 'ndarray':
        return _mapped(operator.not_ if self.dtype is bool_type else operator.invert, self)

    def __and__(self, other: Any) -> Any:
        return _computed(operator.and_, self, other)

    def __or__(self, other: Any) -> Any:
        return _computed(operator.or_, self, other)

    def __xor__(self, other: Any) -> Any:
        return _computed(operator.xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __eq__(self, other: Any) -> Any:
        return _computed(operator.eq, self, other, kind=bool_type)

    def __ne__(self, other: Any) -> Any:
        return _computed(operator.ne, self, other, kind=bool_type)

    def __lt__(self, other: Any) -> Any:
        return _computed(operator.lt, self, other, kind=bool_type)

    def __le__(self, other: Any) -> Any:
        return _computed(operator.le, self, other, kind=bool_type)

    def __gt__(self, other: Any) -> Any:
        return _computed(operator.gt, self, other, kind=bool_type)

    def __ge__(self, other: Any) -> Any:
        return _computed(operator.ge, self, other, kind=bool_type)

    def _in_place(self, result: Any) -> 'ndarray':
        if result is NotImplemented:
            return NotImplemented
        if self.dtype.kind in 'iu' and result.dtype.kind == 'f':
            raise TypeError(
                f'an array of {self.dtype} cannot hold what was computed: {result.dtype}'
            )
        self[...] = result
        return self

    def __iadd__(self, other: Any) -> 'ndarray':
        return self._in_place(self + other)

    def __isub__(self, other: Any) -> 'ndarray':
        return self._in_place(self - other)

    def __imul__(self, other: Any) -> 'ndarray':
        return self._in_place(self * other)

    def __itruediv__(self, other: Any) -> 'ndarray':
        return self._in_place(self / other)

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)

    def dot(self, other: Any) -> Any:
        """The product of vectors or matrices."""
        return dot(self, other)

    # --- all numbers together, or those along a dimension -------------------

    def _reduced(
        self,
        reduce: Callable[[Sequence[Any]], Any],
        axis: Any,
        keepdims: bool,
        kind: Any = None,
    ) -> Any:
        kind = kind or self.dtype
        if axis is None:
            value = reduce(self._numbers())
            if keepdims:
                return _fresh(packed(kind, [value]), (1,) * self.ndim, kind)
            return bool(value) if kind is bool_type else kind.type(value)
        axis = _axis(self, axis)
        moved = self.transpose(*(place for place in range(self.ndim) if place != axis), axis)
        numbers = moved._numbers()
        length = self.shape[axis]
        values = [
            reduce(numbers[at * length : (at + 1) * length])
            for at in range(math.prod(moved.shape[:-1]))
        ]
        shape = list(self.shape)
        shape[axis : axis + 1] = [1] if keepdims else []
        if not shape:
            return bool(values[0]) if kind is bool_type else kind.type(values[0])
        return _fresh(packed(kind, values), tuple(shape), kind)

    def sum(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
        """The sum."""
        kind = _sum_type(self, dtype)
        return self._reduced(math.fsum if kind.kind == 'f' else sum, axis, keepdims, kind)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The product."""
        return self._reduced(math.prod, axis, keepdims, _sum_type(self, None))

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean."""
        return self._reduced(_mean, axis, keepdims, _fraction_type(self.dtype))

    def var(self, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Any:
        """The variance."""
        return self._reduced(
            lambda numbers: _variance(numbers, ddof), axis, keepdims, _fraction_type(self.dtype)
        )

    def std(self, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Any:
        """The standard deviation."""
        return self._reduced(
            lambda numbers: math.sqrt(_variance(numbers, ddof)),
            axis,
            keepdims,
            _fraction_type(self.dtype),
        )

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The least number."""
        return self._reduced(min, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The greatest number."""
        return self._reduced(max, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The place of the least number, of the first one if there are several."""
        return self._reduced(
            lambda numbers: min(range(len(numbers)), key=numbers.__getitem__),
            axis,
            keepdims,
            int64_type,
        )

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The place of the greatest number, of the first one if there are several."""
        return self._reduced(
            lambda numbers: max(range(len(numbers)), key=numbers.__getitem__),
            axis,
            keepdims,
            int64_type,
        )

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether one of them is not 0."""
        return self._reduced(any, axis, keepdims, bool_type)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether none of them is 0."""
        return self._reduced(all, axis, keepdims, bool_type)

    def _along(
        self,
        change: Callable[[Sequence[Any]], Sequence[Any]],
        axis: Any,
        kind: Any = None,
    ) -> 'ndarray':
        """What a function makes of the numbers along a dimension, in their place."""
        kind = kind or self.dtype
        if axis is None:
            values = change(self._numbers())
            return _fresh(packed(kind, values), (len(values),), kind)
        axis = _axis(self, axis)
        order = [*(place for place in range(self.ndim) if place != axis), axis]
        moved = self.transpose(*order)
        numbers = moved._numbers()
        length = self.shape[axis]
        values = []
        for at in range(math.prod(moved.shape[:-1])):
            values += change(numbers[at * length : (at + 1) * length])
        result = _fresh(packed(kind, values), moved.shape, kind)
        back = sorted(range(self.ndim), key=order.__getitem__)
        return result.transpose(*back) if self.ndim > 1 else result

    def cumsum(self, axis: Any = None) -> 'ndarray':
        """The sums of what comes before each number, with it."""
        from itertools import accumulate

        return self._along(lambda numbers: list(accumulate(numbers)), axis, _sum_type(self, None))

    def argsort(self, axis: Any = -1, kind: Any = None) -> 'ndarray':
        """The places of the numbers, from the least to the greatest."""
        return self._along(
            lambda numbers: sorted(range(len(numbers)), key=numbers.__getitem__), axis, int64_type
        )

    def argpartition(self, kth: Any, axis: Any = -1) -> 'ndarray':
        """As `argsort`, which is one of the orders that numpy allows here."""
        return self.argsort(axis)

    def sort(self, axis: Any = -1) -> None:
        """Sorts the numbers in place."""
        self[...] = self._along(sorted, axis)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Each number, but none below or above."""
        result: Any = self
        if min is not None:
            result = maximum(result, min)
        if max is not None:
            result = minimum(result, max)
        return result

    def round(self, decimals: int = 0) -> 'ndarray':
        """Each number, rounded."""
        return _mapped(lambda value: round(value, decimals), self)

    def nonzero(self) -> tuple['ndarray', ...]:
        """The places of the numbers that are not 0, by dimension."""
        found = [place for place, value in enumerate(self._numbers()) if value]
        places = []
        for axis in range(self.ndim):
            below = math.prod(self.shape[axis + 1 :])
            places.append(array([place // below % self.shape[axis] for place in found], int64_type))
        return tuple(places)

    def take(self, indices: Any, axis: Optional[int] = None) -> Any:
        """The numbers, or the parts along a dimension, at these places."""
        if axis is None:
            return self.ravel()[indices]
        return self[(slice(None),) * _axis(self, axis) + (indices,)]

    # --- as text ------------------------------------------------------------

    def __repr__(self) -> str:
        kind = (
            '' if self.dtype in (float64_type, int64_type, bool_type) else f', dtype={self.dtype}'
        )
        return f'array({_shown(self, ", ")}{kind})'

    def __str__(self) -> str:
        return _shown(self, ' ')


# --- making arrays ----------------------------------------------------------


def _fresh(data: buffer, shape: tuple[int, ...], kind: dtype) -> ndarray:
    made = object.__new__(ndarray)
    made._data = data
    made._offset = 0
    made._strides = _row_major(shape)
    made.shape = tuple(shape)
    made.dtype = kind
    return made


def _view(of: ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> ndarray:
    made = object.__new__(ndarray)
    made._data = of._data
    made._offset = offset
    made._strides = tuple(strides)
    made.shape = tuple(shape)
    made.dtype = of.dtype
    return made


def array(values: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    """An array of a number, of nested lists of numbers, or of another array."""
    kind = None if dtype is None else _kind(dtype)
    if isinstance(values, ndarray):
        if kind is None or kind is values.dtype:
            return values.copy() if copy else values
        return values.astype(kind)
    if isinstance(values, (int, float)):
        kind = kind or smallest_for([values])
        return _fresh(packed(kind, [values]), (), kind)
    if hasattr(values, 'tobytes') and hasattr(values, 'dtype'):
        # Of another library.
        found, numbers = from_bytes(str(values.dtype.str), values.tobytes())
        made = _fresh(numbers, tuple(values.shape), found)
        return made if kind is None else made.astype(kind)
    if isinstance(values, (buffer, bytes, bytearray, memoryview)) or not isinstance(
        values, (list, tuple)
    ):
        values = list(values)
    flat, shape = _flattened(values)
    kind = kind or smallest_for(flat)
    return _fresh(packed(kind, flat), shape, kind)


# The name of the class, inside of functions with an argument of the same name.
_kind = dtype


def _flattened(values: Any) -> tuple[list[Any], tuple[int, ...]]:
    """All numbers of nested lists, and their shape."""
    if not values:
        return [], (0,)
    if not any(
        isinstance(value, (list, tuple, ndarray)) or hasattr(value, '__len__') for value in values
    ):
        return list(values), (len(values),)
    flat: list[Any] = []
    inner = None
    for value in values:
        if isinstance(value, ndarray):
            numbers, shape = [value._scalar(one) for one in value._numbers()], value.shape
        elif hasattr(value, '__len__'):
            numbers, shape = _flattened(list(value))
        else:
            numbers, shape = [value], ()
        if inner is None:
            inner = shape
        elif inner != shape:
            raise ValueError(
                f'the parts of an array have to have one shape, and not {inner} and {shape}'
            )
        flat += numbers
    return flat, (len(values), *(inner or ()))


def asarray(values: Any, dtype: Any = None) -> ndarray:
    """The array itself, or one of what is given."""
    return array(values, dtype, copy=False)


def frombuffer(data: Any, dtype: Any = None, shape: Any = None) -> ndarray:
    """An array of a copy of these bytes."""
    text = dtype if isinstance(dtype, str) else _kind(dtype).str
    found, numbers = from_bytes(text, data)
    return _fresh(numbers, (len(numbers),) if shape is None else tuple(shape), found)


def _lengths(shape: Any) -> tuple[int, ...]:
    return (operator.index(shape),) if hasattr(shape, '__index__') else tuple(shape)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    """An array with one number everywhere."""
    kind = smallest_for([fill_value]) if dtype is None else _kind(dtype)
    lengths = _lengths(shape)
    return _fresh(packed(kind, [fill_value]) * math.prod(lengths), lengths, kind)


def zeros(shape: Any, dtype: Any = None) -> ndarray:
    """An array of zeros."""
    return full(shape, 0, _kind(dtype))


def ones(shape: Any, dtype: Any = None) -> ndarray:
    """An array of ones."""
    return full(shape, 1, _kind(dtype))


empty = zeros


def zeros_like(like: Any, dtype: Any = None) -> ndarray:
    """An array of zeros, of the shape and type of another."""
    like = asarray(like)
    return zeros(like.shape, dtype or like.dtype)


def ones_like(like: Any, dtype: Any = None) -> ndarray:
    """An array of ones, of the shape and type of another."""
    like = asarray(like)
    return ones(like.shape, dtype or like.dtype)


empty_like = zeros_like


def full_like(like: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    """An array with one number everywhere, of the shape and type of another."""
    like = asarray(like)
    return full(like.shape, fill_value, dtype or like.dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    """Numbers from `start` up to `stop`, which is not one of them."""
    if stop is None:
        start, stop = 0, start
    count = max(0, math.ceil((stop - start) / step))
    return array([start + step * at for at in range(count)], dtype or smallest_for([start + step]))


def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True) -> ndarray:
    """So many numbers at equal distances."""
    step = (stop - start) / max(1, num - 1 if endpoint else num)
    values = [start + step * at for at in range(num)]
    if endpoint and num > 1:
        values[-1] = stop
    return array(values, float64_type)


def eye(n: int, dtype: Any = None) -> ndarray:
    """A square matrix with ones on its diagonal."""
    made = zeros((n, n), dtype)
    made._data[:: n + 1] = packed(made.dtype, [1] * n)
    return made


identity = eye


def concatenate(arrays: Iterable[Any], axis: int = 0) -> ndarray:
    """Arrays behind each other, along a dimension."""
    parts = [asarray(part) for part in arrays]
    if not parts:
        raise ValueError('there is no array to concatenate')
    kind = parts[0].dtype
    for part in parts[1:]:
        kind = promoted(kind, part.dtype)
    at = _axis(parts[0], axis)
    rest = [part.shape[:at] + part.shape[at + 1 :] for part in parts]
    if any(shape != rest[0] for shape in rest):
        raise ValueError(
            f'arrays of the shapes {[part.shape for part in parts]} do not fit together'
        )
    order = [at, *(place for place in range(parts[0].ndim) if place != at)]
    data = buffer(kind.code)
    for part in parts:
        moved = part if at == 0 else part.transpose(*order)
        data.extend(packed(kind, moved._numbers()))
    joined = _fresh(data, (sum(part.shape[at] for part in parts), *rest[0]), kind)
    return (
        joined if at == 0 else joined.transpose(*sorted(range(len(order)), key=order.__getitem__))
    )


def stack(arrays: Iterable[Any], axis: int = 0) -> ndarray:
    """Arrays of one shape, along a new dimension."""
    parts = [asarray(part) for part in arrays]
    if any(part.shape != parts[0].shape for part in parts):
        raise ValueError(
            f'arrays of the shapes {sorted({part.shape for part in parts})} cannot be stacked'
        )
    return concatenate([expand_dims(part, axis) for part in parts], axis)


def vstack(arrays: Iterable[Any]) -> ndarray:
    """Arrays below each other."""
    return concatenate(
        [part if part.ndim > 1 else part.reshape(1, -1) for part in map(asarray, arrays)]
    )


def hstack(arrays: Iterable[Any]) -> ndarray:
    """Arrays beside each other."""
    parts = [part if part.ndim else part.reshape(1) for part in map(asarray, arrays)]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1)


def expand_dims(of: Any, axis: int) -> ndarray:
    """The same numbers with a dimension of the length 1 more."""
    of = asarray(of)
    at = axis if axis >= 0 else of.ndim + 1 + axis
    return of[(slice(None),) * at + (None,)] if at else of[None]


def broadcast_to(of: Any, shape: Any) -> ndarray:
    """The same numbers again and again, until they have a shape."""
    of = asarray(of)
    lengths = _lengths(shape)
    more = len(lengths) - of.ndim
    strides = [0] * more
    fits = more >= 0
    for length, wanted, stride in zip(of.shape, lengths[max(0, more) :], of._strides):
        fits = fits and length in (1, wanted)
        strides.append(0 if length == 1 != wanted else stride)
    if not fits:
        raise ValueError(f'an array of the shape {of.shape} does not fit {lengths}')
    return _view(of, lengths, tuple(strides), of._offset)


# --- computing ---------------------------------------------------------------


def _computed(
    compute: Callable[[Any, Any], Any],
    one: Any,
    other: Any,
    kind: Optional[dtype] = None,
    fraction: bool = False,
) -> Any:
    """A function of two arrays, or of one and a number, number by number."""
    arrays = []
    for value in (one, other):
        if not isinstance(value, (ndarray, int, float)):
            if not isinstance(value, (list, tuple)) and not hasattr(value, 'tobytes'):
                return NotImplemented
            value = asarray(value)
        arrays.append(value)
    one, other = arrays
    if kind is None:
        kind = _result_type(one, other)
        if fraction:
            kind = _fraction_type(kind)
    if not isinstance(one, ndarray):
        shape = other.shape
        values: Any = [compute(one, value) for value in other._numbers()]
    elif not isinstance(other, ndarray):
        shape = one.shape
        values = [compute(value, other) for value in one._numbers()]
    else:
        shape = one.shape
        if shape != other.shape:
            shape = _common_shape(shape, other.shape)
            one, other = broadcast_to(one, shape), broadcast_to(other, shape)
        values = map(compute, one._numbers(), other._numbers())
    made = _fresh(packed(kind, values), shape, kind)
    return made if shape else made._scalar(made._data[0])


def _result_type(one: Any, other: Any) -> dtype:
    if isinstance(one, ndarray) and isinstance(other, ndarray):
        return promoted(one.dtype, other.dtype)
    kind, value = (one.dtype, other) if isinstance(one, ndarray) else (other.dtype, one)
    # A plain number takes the array's type, if that can have such numbers at all.
    if isinstance(value, float) and kind.kind != 'f':
        return float64_type
    if kind is bool_type and not isinstance(value, bool):
        return int64_type
    return kind


def _fraction_type(kind: dtype) -> dtype:
    return kind if kind.kind == 'f' else float64_type


def _sum_type(of: ndarray, given: Any) -> dtype:
    if given is not None:
        return dtype(given)
    if of.dtype.kind == 'f':
        return of.dtype
    return dtype('u8') if of.dtype.kind == 'u' else int64_type


def _common_shape(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    count = max(len(one), len(other))
    shape = []
    for a, b in zip((1,) * (count - len(one)) + one, (1,) * (count - len(other)) + other):
        if a != b and 1 not in (a, b):
            raise ValueError(f'arrays of the shapes {one} and {other} do not fit together')
        shape.append(b if a == 1 else a)
    return tuple(shape)


def _mapped(compute: Callable[[Any], Any], of: ndarray, kind: Optional[dtype] = None) -> ndarray:
    kind = kind or of.dtype
    return _fresh(packed(kind, [compute(value) for value in of._numbers()]), of.shape, kind)


def _divided(one: Any, other: Any) -> float:
    try:
        return one / other
    except ZeroDivisionError:
        if one == 0 or one != one:
            return math.nan
        return math.copysign(math.inf, one) * math.copysign(1.0, other)


def _floor_divided(one: Any, other: Any) -> Any:
    if other == 0:
        return 0 if isinstance(one, int) else _divided(one, other)
    return one // other


def _remainder(one: Any, other: Any) -> Any:
    if other == 0:
        return 0 if isinstance(one, int) else math.nan
    return one % other


def _power(one: Any, other: Any) -> Any:
    try:
        value = one**other
    except ZeroDivisionError:
        return math.inf
    except OverflowError:
        return math.inf
    return math.nan if isinstance(value, complex) else value


def _mean(numbers: Sequence[Any]) -> float:
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def _variance(numbers: Sequence[Any], ddof: int) -> float:
    mean = _mean(numbers)
    return math.fsum((value - mean) ** 2 for value in numbers) / (len(numbers) - ddof)


def dot(one: Any, other: Any) -> Any:
    """The product of vectors or matrices, or of numbers."""
    one, other = asarray(one), asarray(other)
    if not one.shape or not other.shape:
        return _computed(operator.mul, one, other)
    return matmul(one, other)


def matmul(one: Any, other: Any) -> Any:
    """The product of vectors or matrices."""
    one, other = asarray(one), asarray(other)
    if one.ndim > 2 or other.ndim > 2 or not one.shape or not other.shape:
        raise NotImplementedError(
            f'only vectors and matrices are multiplied here, and not {one.shape} and {other.shape}'
        )
    if one.shape[-1] != other.shape[0]:
        raise ValueError(
            f'{one.shape} and {other.shape} cannot be multiplied: {one.shape[-1]} is not {other.shape[0]}'
        )
    kind = promoted(one.dtype, other.dtype)
    length = one.shape[-1]
    left, right = one._numbers(), other.T._numbers()
    rows = [
        left[at * length : (at + 1) * length] for at in range(one.size // length if length else 0)
    ]
    columns = [
        right[at * length : (at + 1) * length]
        for at in range(other.size // length if length else 0)
    ]
    shape = one.shape[:-1] + other.shape[1:]
    values = [sumprod(row, column) for row in rows for column in columns] or [0] * math.prod(shape)
    if not shape:
        return kind.type(values[0])
    return _fresh(packed(kind, values), shape, kind)


def norms(matrix: ndarray) -> list[float]:
    """The Euclidean length of each row."""
    numbers = matrix._numbers()
    length = matrix.shape[-1]
    rows = (numbers[at * length : (at + 1) * length] for at in range(matrix.shape[0]))
    return [math.sqrt(sumprod(row, row)) for row in rows]


def maximum(one: Any, other: Any) -> Any:
    """The greater of two, number by number."""
    return _computed(max, _either(one, other), other)


def minimum(one: Any, other: Any) -> Any:
    """The lesser of two, number by number."""
    return _computed(min, _either(one, other), other)


def _either(one: Any, other: Any) -> Any:
    return one if isinstance(one, ndarray) or isinstance(other, ndarray) else asarray(one)


def where(condition: Any, one: Any = None, other: Any = None) -> Any:
    """One or the other, by a condition; or where it holds, if nothing else is given."""
    condition = asarray(condition)
    if one is None and other is None:
        return condition.nonzero()
    one, other = asarray(one), asarray(other)
    shape = _common_shape(_common_shape(condition.shape, one.shape), other.shape)
    kind = promoted(one.dtype, other.dtype)
    values = [
        a if wanted else b
        for wanted, a, b in zip(
            *(broadcast_to(part, shape)._numbers() for part in (condition, one, other))
        )
    ]
    return _fresh(packed(kind, values), shape, kind)


# --- helpers ------------------------------------------------------------------


def _row_major(shape: Sequence[int]) -> tuple[int, ...]:
    if len(shape) == 1:
        return (1,)
    strides = []
    stride = 1
    for length in reversed(shape):
        strides.append(stride)
        stride *= length
    return tuple(reversed(strides))


def _places(shape: Sequence[int], strides: Sequence[int], offset: int) -> list[int]:
    places = [offset]
    for length, stride in zip(shape, strides):
        steps = [at * stride for at in range(length)]
        places = [place + step for place in places for step in steps]
    return places


def _axis(of: ndarray, axis: int) -> int:
    axis = operator.index(axis)
    if not -of.ndim <= axis < of.ndim:
        raise ValueError(f'dimension {axis} is not one of an array of the shape {of.shape}')
    return axis % of.ndim


def _has_ellipsis(index: Any) -> bool:
    return index is Ellipsis or isinstance(index, tuple) and any(part is Ellipsis for part in index)


def _listed(part: Any, length: int) -> list[int]:
    values = part.ravel().tolist() if isinstance(part, ndarray) else list(part)
    if values and all(isinstance(value, bool) for value in values):
        if len(values) != length:
            raise IndexError(f'a mask of {len(values)} does not fit a dimension of {length}')
        return [place for place, wanted in enumerate(values) if wanted]
    places = []
    for value in values:
        place = operator.index(value)
        if not -length <= place < length:
            raise IndexError(f'place {place} is not in a dimension of {length}')
        places.append(place % length)
    return places


def _shown(of: ndarray, between: str) -> str:
    def text(value: Any) -> str:
        if isinstance(value, list):
            if len(value) > 1000:
                return f'[{between.join([*map(text, value[:3]), "...", *map(text, value[-3:])])}]'
            return f'[{between.join(map(text, value))}]'
        if isinstance(value, float):
            if of.dtype in (float32_type, float16_type):
                value = float(f'{value:.8g}')
            short = f'{value:.8g}'
            return f'{short}.' if value.is_integer() and 'e' not in short else short
        return str(value)

    return text(of.tolist())
