"""The part of numpy that executors use most, in plain Python. Only a component has this on
its path. What is not here says so when it is used."""

import builtins
import math
from typing import Any

from wasm_flow.dtype import (
    dtype,
    float16,
    float32,
    float64,
    floating,
    generic,
    int8,
    int16,
    int32,
    int64,
    integer,
    uint8,
    uint16,
    uint32,
    uint64,
)
from wasm_flow.ndarrays import (
    _mapped,
    arange,
    array,
    asarray,
    bool_type,
    broadcast_to,
    concatenate,
    dot,
    empty,
    empty_like,
    expand_dims,
    eye,
    frombuffer as _frombuffer,
    full,
    full_like,
    hstack,
    identity,
    linspace,
    matmul,
    maximum,
    minimum,
    ndarray,
    ones,
    ones_like,
    stack,
    vstack,
    where,
    zeros,
    zeros_like,
)

from . import linalg, random
from ._missing import missing

# What the subset was written against.
__version__ = '1.26.4'

newaxis = None
nan = math.nan
inf = math.inf
pi = math.pi
e = math.e
bool_ = bool
float_ = double = float64
int_ = int64
intp = int64
single = float32
half = float16
number = generic
ascontiguousarray = array
asanyarray = asarray


def frombuffer(buffer: Any, dtype: Any = None, count: int = -1, offset: int = 0) -> ndarray:
    """An array of these bytes, which are copied."""
    view = memoryview(buffer).cast('B')[offset:]
    made = _frombuffer(view, dtype)
    return made if count < 0 else made[:count]


def _method(name: str) -> Any:
    def function(a: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(asarray(a), name)(*args, **kwargs)

    function.__name__ = name
    function.__doc__ = f'`a.{name}()`.'
    return function


sum = _method('sum')
prod = _method('prod')
mean = _method('mean')
std = _method('std')
var = _method('var')
min = amin = _method('min')
max = amax = _method('max')
argmin = _method('argmin')
argmax = _method('argmax')
argsort = _method('argsort')
argpartition = _method('argpartition')
cumsum = _method('cumsum')
any = _method('any')
all = _method('all')
clip = _method('clip')
reshape = _method('reshape')
ravel = _method('ravel')
squeeze = _method('squeeze')
transpose = _method('transpose')
nonzero = _method('nonzero')
take = _method('take')
round = around = _method('round')


def _each(name: str, compute: Any, kind: Any = None) -> Any:
    def function(x: Any) -> Any:
        if not isinstance(x, ndarray) and not hasattr(x, '__len__'):
            value = compute(x)
            return value if kind is bool_type else float64(value)
        of = asarray(x)
        own = kind or (of.dtype if of.dtype.kind == 'f' else dtype(float))
        return _mapped(compute, of, own)

    function.__name__ = name
    function.__doc__ = f'`{name}` of each number.'
    return function


def _safe(compute: Any, outside: Any) -> Any:
    """A function of `math`, with what numpy gives where that raises."""

    def function(value: Any) -> float:
        try:
            return compute(value)
        except (ValueError, OverflowError):
            return outside(value)

    return function


def _no_number(_: Any) -> float:
    return nan


sqrt = _each('sqrt', _safe(math.sqrt, _no_number))
exp = _each('exp', _safe(math.exp, lambda _: inf))
log = _each('log', _safe(math.log, lambda value: -inf if value == 0 else nan))
log2 = _each('log2', _safe(math.log2, lambda value: -inf if value == 0 else nan))
log10 = _each('log10', _safe(math.log10, lambda value: -inf if value == 0 else nan))
log1p = _each('log1p', _safe(math.log1p, lambda value: -inf if value == -1 else nan))
sin = _each('sin', _safe(math.sin, _no_number))
cos = _each('cos', _safe(math.cos, _no_number))
tan = _each('tan', _safe(math.tan, _no_number))
tanh = _each('tanh', math.tanh)
floor = _each('floor', lambda value: float(math.floor(value)) if math.isfinite(value) else value)
ceil = _each('ceil', lambda value: float(math.ceil(value)) if math.isfinite(value) else value)
isnan = _each('isnan', math.isnan, bool_type)
isinf = _each('isinf', math.isinf, bool_type)
isfinite = _each('isfinite', math.isfinite, bool_type)


def abs(x: Any) -> Any:
    """Each number without its sign."""
    return asarray(x).__abs__() if hasattr(x, '__len__') else x.__abs__()


absolute = abs


def sign(x: Any) -> Any:
    """-1, 0 or 1, by the sign of each number."""
    of = asarray(x)
    return _mapped(lambda value: (value > 0) - (value < 0), of)


def square(x: Any) -> Any:
    """Each number times itself."""
    return asarray(x) * asarray(x)


def power(x: Any, y: Any) -> Any:
    """Each number to the power of another."""
    return asarray(x) ** y


def _two(name: str) -> Any:
    import operator

    compute = getattr(operator, name)

    def function(x: Any, y: Any) -> Any:
        return compute(asarray(x), y)

    return function


add = _two('add')
subtract = _two('sub')
multiply = _two('mul')
divide = true_divide = _two('truediv')
equal = _two('eq')
not_equal = _two('ne')
less = _two('lt')
less_equal = _two('le')
greater = _two('gt')
greater_equal = _two('ge')


def logical_not(x: Any) -> Any:
    """Whether each number is 0."""
    return asarray(x) == 0


def logical_and(x: Any, y: Any) -> Any:
    """Whether neither is 0."""
    return (asarray(x) != 0) & (asarray(y) != 0)


def logical_or(x: Any, y: Any) -> Any:
    """Whether one of them is not 0."""
    return (asarray(x) != 0) | (asarray(y) != 0)


def shape(a: Any) -> Any:
    """The lengths of the dimensions."""
    return asarray(a).shape


def ndim(a: Any) -> int:
    """How many dimensions there are."""
    return asarray(a).ndim


def size(a: Any) -> int:
    """How many numbers there are."""
    return asarray(a).size


def copy(a: Any) -> ndarray:
    """A copy that shares nothing."""
    return array(a)


def sort(a: Any, axis: int = -1) -> ndarray:
    """A sorted copy."""
    made = array(a)
    made.sort(axis)
    return made


def outer(a: Any, b: Any) -> ndarray:
    """The products of all numbers of one with all of the other."""
    return asarray(a).reshape(-1, 1) * asarray(b).reshape(1, -1)


def inner(a: Any, b: Any) -> Any:
    """The products of rows."""
    one, other = asarray(a), asarray(b)
    return dot(one, other.T if other.ndim > 1 else other)


vdot = inner


def append(arr: Any, values: Any, axis: Any = None) -> ndarray:
    """A copy with more behind it."""
    if axis is None:
        return concatenate([asarray(arr).ravel(), asarray(values).ravel()])
    return concatenate([arr, values], axis)


def unique(ar: Any) -> ndarray:
    """The numbers without repetitions, sorted."""
    of = asarray(ar)
    return array(sorted(set(of.ravel().tolist())), of.dtype)


def bincount(x: Any, minlength: int = 0) -> ndarray:
    """How often each whole number occurs."""
    values = asarray(x).tolist()
    counts = [0] * builtins.max(minlength, 1 + builtins.max(values, default=-1))
    for value in values:
        counts[value] += 1
    return array(counts, int64)


def repeat(a: Any, repeats: int, axis: Any = None) -> ndarray:
    """Each number, or each part along a dimension, several times."""
    of = asarray(a).ravel() if axis is None else asarray(a)
    at = 0 if axis is None else axis
    return take(of, [place for place in range(of.shape[at]) for _ in range(repeats)], at)


def tile(A: Any, reps: Any) -> ndarray:
    """The array several times over."""
    made = asarray(A)
    lengths = [reps] if isinstance(reps, int) else list(reps)
    while made.ndim < len(lengths):
        made = expand_dims(made, 0)
    for axis, count in enumerate([1] * (made.ndim - len(lengths)) + lengths):
        made = concatenate([made] * count, axis)
    return made


def take_along_axis(arr: Any, indices: Any, axis: int) -> ndarray:
    """The numbers at these places along a dimension."""
    of, places = asarray(arr), asarray(indices)
    if of.ndim == 1:
        return of[places]
    if of.ndim != 2 or axis not in (1, -1):
        missing('numpy.take_along_axis along the first of several dimensions')
    return stack([row[list(some)] for row, some in zip(of, places.tolist())])


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """Parts of an array along a dimension."""
    of = asarray(ary)
    length = of.shape[axis]
    if isinstance(indices_or_sections, int):
        if length % indices_or_sections:
            raise ValueError(f'{length} are not {indices_or_sections} equal parts')
        step = length // indices_or_sections
        ends = list(range(step, length, step))
    else:
        ends = list(indices_or_sections)
    bounds = [0, *ends, length]
    before = (slice(None),) * axis
    return [of[(*before, slice(start, end))] for start, end in zip(bounds, bounds[1:])]


def array_split(ary: Any, indices_or_sections: int, axis: int = 0) -> list:
    """Parts of an array that need not be equal."""
    length = asarray(ary).shape[axis]
    each, more = divmod(length, indices_or_sections)
    ends, end = [], 0
    for part in range(indices_or_sections - 1):
        end += each + (part < more)
        ends.append(end)
    return split(ary, ends, axis)


def array_equal(a1: Any, a2: Any) -> bool:
    """Whether two arrays have one shape and the same numbers."""
    one, other = asarray(a1), asarray(a2)
    return one.shape == other.shape and one.tolist() == other.tolist()


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Any:
    """Whether numbers are nearly the same."""
    return abs(asarray(a) - asarray(b)) <= abs(asarray(b)) * rtol + atol


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether all numbers are nearly the same."""
    close = isclose(a, b, rtol, atol)
    return bool(close.all()) if isinstance(close, ndarray) else bool(close)


def isscalar(element: Any) -> bool:
    """Whether it is a number and not an array."""
    return isinstance(element, (int, float, str, bytes))


def average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean, with weights or without."""
    of = asarray(a)
    if weights is None:
        return of.mean(axis)
    weight = asarray(weights)
    if axis is not None and weight.ndim == 1 and of.ndim == 2:
        weight = weight.reshape(-1, 1) if axis in (0, -2) else weight.reshape(1, -1)
    return (of * weight).sum(axis) / (zeros_like(of) + weight).sum(axis)


def median(a: Any, axis: Any = None) -> Any:
    """The number in the middle."""
    if axis is not None:
        missing('numpy.median along a dimension')
    values = sorted(asarray(a).ravel().tolist())
    middle = len(values) // 2
    return float64(values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2)


def finfo(kind: Any) -> Any:
    """The bounds of a type of floats."""
    from types import SimpleNamespace

    bounds = {
        2: (0.0009765625, 65504.0),
        4: (1.1920929e-07, 3.4028235e38),
        8: (2.220446049250313e-16, 1.7976931348623157e308),
    }
    eps, most = bounds[dtype(kind).itemsize]
    return SimpleNamespace(eps=eps, max=most, min=-most)


def __getattr__(name: str) -> Any:
    if name.startswith('__'):
        raise AttributeError(name)
    missing(f'numpy.{name}')
