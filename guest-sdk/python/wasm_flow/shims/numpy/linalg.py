"""The part of `numpy.linalg` that executors use most."""

import math
from typing import Any

from wasm_flow.ndarrays import asarray

from ._missing import missing


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The length of vectors: Euclidean, or with `ord` 1 or infinity."""
    of = asarray(x)
    if of.dtype.kind != 'f':
        of = of.astype(float)
    if ord not in (None, 2, 1, math.inf) or ord is not None and axis is None and of.ndim > 1:
        missing(f'numpy.linalg.norm with ord={ord}')
    if ord == 1:
        return abs(of).sum(axis, keepdims)
    if ord == math.inf:
        return abs(of).max(axis, keepdims)
    return of._reduced(
        lambda numbers: math.sqrt(math.fsum(value * value for value in numbers)), axis, keepdims
    )


def __getattr__(name: str) -> Any:
    if name.startswith('__'):
        raise AttributeError(name)
    missing(f'numpy.linalg.{name}')
