"""The part of `numpy.random` that executors use most. The same seed does not give numpy's
numbers."""

import math
import random as _random
from typing import Any

from wasm_flow.dtype import float64_type, int64_type
from wasm_flow.ndarrays import array, asarray

from ._missing import missing


class Generator:
    """A source of random numbers."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def _made(self, size: Any, make: Any, kind: Any = float64_type) -> Any:
        if size is None:
            return kind.type(make())
        shape = (size,) if isinstance(size, int) else tuple(size)
        return array([make() for _ in range(math.prod(shape))], kind).reshape(shape)

    def random(self, size: Any = None) -> Any:
        """From 0 up to 1."""
        return self._made(size, self._source.random)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        """From `low` up to `high`."""
        return self._made(size, lambda: self._source.uniform(low, high))

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        """Around `loc`, with a standard deviation."""
        return self._made(size, lambda: self._source.gauss(loc, scale))

    def standard_normal(self, size: Any = None) -> Any:
        """Around 0, with a standard deviation of 1."""
        return self.normal(size=size)

    def integers(self, low: int, high: Any = None, size: Any = None) -> Any:
        """Whole numbers from `low` up to `high`, which is not one of them."""
        start, stop = (0, low) if high is None else (low, high)
        return self._made(size, lambda: self._source.randrange(start, stop), int64_type)

    def rand(self, *shape: int) -> Any:
        """From 0 up to 1."""
        return self.random(shape or None)

    def randn(self, *shape: int) -> Any:
        """Around 0, with a standard deviation of 1."""
        return self.normal(size=shape or None)

    randint = integers

    def permutation(self, x: Any) -> Any:
        """The numbers in a random order."""
        values = list(range(x)) if isinstance(x, int) else asarray(x).tolist()
        self._source.shuffle(values)
        return array(values)

    def choice(self, a: Any, size: Any = None, replace: bool = True) -> Any:
        """Some of the numbers."""
        values = list(range(a)) if isinstance(a, int) else list(a)
        if size is None:
            return self._source.choice(values)
        if replace:
            return array(self._source.choices(values, k=size))
        return array(self._source.sample(values, size))

    def shuffle(self, x: Any) -> None:
        """Brings the numbers into a random order, in place."""
        if isinstance(x, list):
            self._source.shuffle(x)
        else:
            x[...] = x[self.permutation(len(x))]

    def seed(self, seed: Any = None) -> None:
        """Begins a sequence that is always the same."""
        self._source.seed(seed)


_shared = Generator(_random)

random = random_sample = _shared.random
uniform = _shared.uniform
normal = _shared.normal
standard_normal = _shared.standard_normal
rand = _shared.rand
randn = _shared.randn
randint = _shared.randint
permutation = _shared.permutation
choice = _shared.choice
shuffle = _shared.shuffle
seed = _shared.seed


def default_rng(seed: Any = None) -> Generator:
    """A source of its own."""
    return Generator(_random.Random(seed))


class RandomState(Generator):
    """A source of its own, by its older name."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__(_random.Random(seed))


def __getattr__(name: str) -> Any:
    if name.startswith('__'):
        raise AttributeError(name)
    missing(f'numpy.random.{name}')
