"""What an executor says of itself."""

from __future__ import annotations

import inspect
import json
import sys
import typing
from typing import Any

from wit_world.exports.executor import Concurrency, Description, Method

from .. import __version__
from ..executor import Executor
from ..handler import Handler

# Given to `__init__` beside what `uses_with` holds.
INJECTED = ('metas', 'requests', 'runtime_args', 'workspace', 'dynamic_batching')

_TYPES = {
    str: 'string',
    int: 'integer',
    float: 'number',
    bool: 'boolean',
    dict: 'object',
    list: 'array',
}


def describe(executor: type, methods: list[Handler]) -> Description:
    """An executor class, for the host."""
    own = executor.__dict__.get('__doc__')
    python = '.'.join(map(str, sys.version_info[:3]))
    return Description(
        name=executor.__name__,
        version=_version(executor),
        documentation=inspect.cleandoc(own) if own else '',
        methods=[_method(handler) for handler in methods],
        config_schema=_schema(executor),
        sdk=f'wasm-flow-sdk {__version__} (Python {python})',
        details='',
    )


def _version(executor: type) -> str:
    version = getattr(sys.modules.get(executor.__module__), '__version__', '')
    return version if isinstance(version, str) else ''


def _method(handler: Handler) -> Method:
    details = {}
    if handler.writes:
        details['write'] = True
    if handler.is_stream:
        details['stream'] = True
    return Method(
        name=handler.name,
        endpoints=handler.endpoints,
        # What is not `async` cannot be interleaved anyway.
        concurrency=Concurrency.CONCURRENT,
        documentation=inspect.getdoc(handler.function) or '',
        parameters_schema='',
        details=json.dumps(details) if details else '',
    )


def _schema(executor: type) -> str:
    """A JSON schema of `uses_with`, by what `__init__` takes."""
    if executor.__init__ is Executor.__init__:
        return ''
    properties: dict[str, Any] = {}
    required = []
    more = False
    try:
        hints = typing.get_type_hints(executor.__init__)
    except Exception:
        hints = {}
    for place, parameter in enumerate(inspect.signature(executor.__init__).parameters.values()):
        if parameter.kind is parameter.VAR_KEYWORD:
            more = True
        if place == 0 or parameter.name in INJECTED:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        schema: dict[str, Any] = {}
        kind = _TYPES.get(hints.get(parameter.name))  # type: ignore[arg-type]
        if kind:
            schema['type'] = kind
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif _is_json(parameter.default):
            schema['default'] = parameter.default
            if parameter.default is None:
                schema.pop('type', None)
        properties[parameter.name] = schema
    whole: dict[str, Any] = {'type': 'object', 'properties': properties}
    if required:
        whole['required'] = required
    if not more:
        whole['additionalProperties'] = False
    return json.dumps(whole)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
