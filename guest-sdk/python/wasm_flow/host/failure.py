"""What a client and a log learn of an exception."""

from __future__ import annotations

import asyncio
import json
import traceback
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Optional

from componentize_py_types import Err
from wit_world.exports.executor import Failure

# The host keeps as many.
MOST_LINES = 64

# The folder of this package, as tracebacks name it.
_SDK = str(PurePosixPath(__file__).parent.parent)
# Where the build puts modules: `/0`, `/1` and so on.
_ROOTS = tuple(f'/{number}/' for number in range(10))


def lines_of(error: BaseException) -> list[str]:
    """An exception with its traceback, of which only the author's own lines are there."""
    try:
        told = traceback.TracebackException(
            type(error), error, _own(error.__traceback__), compact=True
        )
        _fold(told)
        if not told.stack and told.__cause__ is None and told.__context__ is None:
            # None of the author's lines: what a method returned, or wrote, is not right. The
            # message says it.
            return []
        lines = [line for text in told.format() for line in text.rstrip('\n').split('\n')]
    except Exception as failed:
        return [f'{type(error).__name__}: {_text(error)}', f'(no traceback: {failed!r})']
    if len(lines) > MOST_LINES:
        # The last calls say most.
        rest = MOST_LINES - 2
        lines = [lines[0], f'  ... {len(lines) - 1 - rest} lines', *lines[-rest:]]
    return lines


def failure_of(error: BaseException) -> Failure:
    """An exception as the host takes it, with the author's own lines."""
    if isinstance(error, Err):
        name = type(error.value).__name__.removeprefix('Error_')
        message = getattr(error.value, 'value', str(error.value))
    else:
        name = type(error).__name__
        message = _text(error)
    return Failure(name, message, lines_of(error), _details(error))


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, KeyError) and len(error.args) == 1:
            # Its text is the key as Python writes it, in quotes.
            return str(error.args[0])
        return str(error)
    except Exception:
        return f'<no text: {type(error).__name__}.__str__ fails>'


def _details(error: BaseException) -> str:
    details = {}
    retry_after = getattr(error, 'retry_after', None)
    if isinstance(retry_after, (int, float)):
        details['retry-after'] = max(0, round(retry_after * 1000))
    if retry_after is not None or getattr(error, 'retry', False) is True:
        details['retry'] = True
    if isinstance(error, (asyncio.TimeoutError, ConnectionError)) and not details:
        details['retry'] = True
    return json.dumps(details) if details else ''


def _own(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the author's first line on."""
    first = trace
    while first is not None and is_sdk(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or trace


def is_sdk(filename: str) -> bool:
    """Whether a file is of this package, or of the bindings."""
    return filename.startswith((_SDK, '/bundled/', '/world/'))


def _is_internal(filename: str) -> bool:
    return is_sdk(filename) or filename.startswith('<frozen importlib')


def _fold(told: Any) -> None:
    """Leaves out the lines of the SDK and of the import system, and the folders of the build."""
    while told is not None:
        told.stack[:] = [frame for frame in told.stack if not _is_internal(frame.filename)]
        for frame in told.stack:
            if frame.filename.startswith(_ROOTS):
                frame.filename = frame.filename[3:]
        _fold(told.__context__)
        told = told.__cause__
