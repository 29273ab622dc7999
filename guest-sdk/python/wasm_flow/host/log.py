"""Python's `logging` into the host's log, and prints line by line."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from wit_world.imports import logging as wit

from .failure import lines_of

# What every record has. Anything else was given by `extra`.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {'message', 'asctime', 'taskName'}


class HostHandler(logging.Handler):
    """Gives records to the host, which adds the executor and the request."""

    def emit(self, record: logging.LogRecord) -> None:
        level = _level(record.levelno)
        if not wit.enabled(level):
            return
        try:
            message = record.getMessage()
        except Exception as error:
            message = f'{record.msg!r} with {record.args!r} ({error})'
        if record.exc_info and record.exc_info[1] is not None:
            message = '\n'.join([message, *lines_of(record.exc_info[1])])
        fields: dict[str, Any] = {}
        if record.name != 'root':
            fields['logger'] = record.name
        for name, value in vars(record).items():
            if name not in _COMMON:
                fields[name] = value
        wit.log(level, message, json.dumps(fields, default=str) if fields else '')


def _level(number: int) -> Any:
    if number >= logging.ERROR:
        return wit.Level.ERROR
    if number >= logging.WARNING:
        return wit.Level.WARN
    if number >= logging.INFO:
        return wit.Level.INFO
    if number >= logging.DEBUG:
        return wit.Level.DEBUG
    return wit.Level.TRACE


def install() -> None:
    """For the build. The host decides which levels are kept."""
    root = logging.getLogger()
    root.handlers[:] = [HostHandler()]
    root.setLevel(logging.NOTSET + 1)
    # The host shows lines, and an instance may end at any time.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors='replace')
