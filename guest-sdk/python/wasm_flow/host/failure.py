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


def failure_of(error: BaseException) -> Failure:
    """An exception as the host takes it, with the author's own lines."""
    if isinstance(error, Err):
        name = type(error.value).__name__.removeprefix('Error_')
        message = getattr(error.value, 'value', str(error.value))
    else:
        name = type(error).__name__
        message = _text(error)
    return Failure(name, message, _lines(error), _details(error))


def _text(error: BaseException) -> str:
    try:
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


def _lines(error: BaseException) -> list[str]:
    try:
        told = traceback.TracebackException(
            type(error), error, _own(error.__traceback__), limit=None, compact=True
        )
        _fold(told)
        lines = [line for text in told.format() for line in text.rstrip('\n').split('\n')]
    except Exception as failed:
        return [f'{type(error).__name__}: {_text(error)}', f'(no traceback: {failed!r})']
    if len(lines) > MOST_LINES:
        # The last calls say most.
        rest = MOST_LINES - 2
        lines = [lines[0], f'  ... {len(lines) - 1 - rest} lines', *lines[-rest:]]
    return lines


def _own(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the author's first line on."""
    first = trace
    while first is not None and _is_sdk(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or trace


def _is_sdk(filename: str) -> bool:
    return filename.startswith(_SDK) or filename.startswith('/bundled/')


def _fold(told: Any) -> None:
    """Leaves the SDK's lines out, if there are others, and the folders of the build."""
    while told is not None:
        kept = [frame for frame in told.stack if not _is_sdk(frame.filename)]
        if kept:
            told.stack[:] = kept
        for frame in told.stack:
            if frame.filename.startswith(_ROOTS):
                frame.filename = frame.filename[3:]
        _fold(told.__context__)
        told = told.__cause__
