"""What is said of what is not there."""

from typing import NoReturn


def missing(name: str) -> NoReturn:
    """Fails with the name of what is missing."""
    raise AttributeError(
        f'`{name}` is not in the part of numpy that an executor has in the sandbox. It has arrays of '
        'numbers, arithmetic, slices, dot, matmul, linalg.norm, sums, sorting and stacking'
    )
