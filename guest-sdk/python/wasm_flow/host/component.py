"""The functions that the host calls: the exports of a component."""

from __future__ import annotations

import inspect
import json
import weakref
from typing import Any, Callable

import componentize_py_async_support as support
import componentize_py_runtime as runtime
from componentize_py_types import Err, Ok
from wit_world import exports

from ..array import DocumentArray
from ..document import Document
from ..executor import Executor
from ..handler import Handler, each, handlers, unbound
from . import finalizer
from .commit import build, is_whole, write_back
from .description import describe
from .failure import failure_of, lines_of
from .kept import kept
from .loop import EXIT, Call, loop
from .matrix import Parts, docs_map, docs_matrix
from .source import Source

# The executor's class, set when the component is built.
_class: type
_methods: list['_Method'] = []
# The executor of this instance, once it is started.
_executor: Any = None

_DONE = Ok(None)


class _Method:
    """A handler with what a call of it needs, worked out once."""

    __slots__ = ('handler', 'function', 'docs', 'parameters', 'matrix', 'map', 'tracing', 'run')

    def __init__(self, handler: Handler) -> None:
        signature = handler.signature
        single = signature.single and not handler.is_stream
        self.handler = handler
        self.function = each(handler) if single else handler.function
        # A method for `doc` may have `**kwargs`, too, and does not find `docs` there.
        self.docs = single or signature.wants('docs') and not handler.is_stream
        self.parameters = signature.wants('parameters')
        self.matrix = signature.wants('docs_matrix') and not handler.is_stream
        self.map = signature.wants('docs_map') and not handler.is_stream
        self.tracing = signature.wants('tracing_context')
        self.run: Callable[..., int] = (
            _run_stream if handler.is_stream else _run_async if handler.is_async else _run
        )

    def arguments(self, request: Any, docs: DocumentArray) -> dict[str, Any]:
        """What the method is called with."""
        arguments: dict[str, Any] = {}
        if self.docs:
            arguments['docs'] = docs
        if self.parameters:
            text = request.parameters()
            arguments['parameters'] = {} if text == '{}' else json.loads(text, parse_int=float)
        if self.matrix or self.map:
            # As in Jina, there is no matrix of no documents.
            parts = Parts(request, docs)
            if self.matrix:
                arguments['docs_matrix'] = docs_matrix(parts) if docs else None
            if self.map:
                arguments['docs_map'] = docs_map(parts)
        if self.tracing:
            arguments['tracing_context'] = None
        return arguments


def _answer(request: Any, docs: DocumentArray, source: Source, returned: Any) -> None:
    """Gives the host what a method returned."""
    if returned is None or returned is docs:
        write_back(docs, source)
    elif isinstance(returned, DocumentArray):
        if is_whole(returned, source):
            write_back(returned, source)
        else:
            request.set_docs(build(returned))
    elif isinstance(returned, dict):
        request.set_results(_results(returned))
        write_back(docs, source)
    else:
        raise TypeError(
            'a method returns a DocumentArray, a dict or None, '
            f'and not {type(returned).__name__}: {returned!r:.200}'
        )


def _results(returned: dict[str, Any]) -> str:
    def plain(value: Any) -> Any:
        if hasattr(value, 'tolist'):
            return value.tolist()
        if isinstance(value, (set, frozenset)):
            return list(value)
        raise TypeError(
            f'a method returns a dict that JSON can express, and not {type(value).__name__}'
        )

    return json.dumps(returned, default=plain, ensure_ascii=False)


def _settle(reference: 'weakref.ReferenceType[Source]') -> None:
    """At the end of a call: the executor may have kept documents of it."""
    if reference() is not None:
        kept.note(reference)


def _run(method: _Method, request: Any, handle: Any, length: int, index: int, borrows: int) -> int:
    """A method that does not wait: no task is made for it."""
    source = Source(handle, length)
    reference = weakref.ref(source)
    docs = DocumentArray._of(source)
    result: Any = _DONE
    returned = None
    try:
        returned = method.function(_executor, **method.arguments(request, docs))
        _answer(request, docs, source, returned)
    except BaseException as error:
        result = Err(_failure(error))
    runtime.call_task_return(index, borrows, result)
    del source, docs, returned, handle
    _settle(reference)
    return EXIT


def _run_async(
    method: _Method, request: Any, handle: Any, length: int, index: int, borrows: int
) -> int:
    async def answer(source: Source) -> None:
        docs = DocumentArray._of(source)
        returned = await method.function(_executor, **method.arguments(request, docs))
        _answer(request, docs, source, returned)

    return _begin(answer, request, Source(handle, length), index, borrows)


def _run_stream(
    method: _Method, request: Any, handle: Any, length: int, index: int, borrows: int
) -> int:
    """A method that yields documents: each goes on at once."""

    async def answer(source: Source) -> None:
        docs = DocumentArray._of(source)
        for doc in docs:
            made = method.function(_executor, doc=doc, **method.arguments(request, docs))
            async for one in _awaited(made):
                if not isinstance(one, Document):
                    raise TypeError(f'a method yields Documents here, and not {type(one).__name__}')
                if await request.send_docs(build([one])).read():
                    # Nobody takes documents any more.
                    return

    return _begin(answer, request, Source(handle, length), index, borrows)


def _begin(
    answer: Callable[[Source], Any], request: Any, source: Source, index: int, borrows: int
) -> int:
    """Runs a call that may wait."""
    reference = weakref.ref(source)
    call = Call(request.time_left)

    async def answered(answering: Any) -> Any:
        try:
            await answering
            return _DONE
        except BaseException as error:
            return Err(_expired(error) if call.expired else _failure(error))

    work = answered(answer(source))
    del source

    def finish(result: Any) -> None:
        runtime.call_task_return(index, borrows, result)
        _settle(reference)

    return loop.begin(call, work, finish)


def _expired(error: BaseException) -> Any:
    """The failure of a call whose time was up."""
    failure = _failure(error)
    failure.name = 'TimeoutError'
    failure.message = (
        "it did not finish within its `timeout`; raise that in the executor's table of flow.toml "
        'if it needs so long'
    )
    return failure


async def _awaited(made: Any) -> Any:
    if hasattr(made, '__aiter__'):
        async for one in made:
            yield one
    else:
        for one in made:
            yield one


def _failure(error: BaseException) -> Any:
    failure = failure_of(error)
    # The frames hold documents of the host.
    error.__traceback__ = None
    return failure


class Component:
    """What the bindings call. The asynchronous functions are theirs to begin, and give what
    the host is to do with the call."""

    def describe(self) -> Any:
        return describe(_class, [method.handler for method in _methods])

    def _async_start_start(self, configuration: Any, borrows: int) -> int:
        return _start(configuration, _exports['start'], borrows)

    def _async_start_handle(
        self, method: int, request: Any, docs: Any, length: int, borrows: int
    ) -> int:
        found = _methods[method]
        return found.run(found, request, docs, length, _exports['handle'], borrows)

    def _async_start_stop(self, borrows: int) -> int:
        return _stop(_exports['stop'], borrows)


# The functions' numbers, by which they return.
_exports: dict[str, int] = {}


def _number_exports() -> None:
    """Asks the bindings for the functions' numbers: they give them to `first_poll`."""
    numbers: list[int] = []

    def first_poll(index: int, borrows: int, coroutine: Any) -> int:
        coroutine.close()
        numbers.append(index)
        return EXIT

    original, support.first_poll = support.first_poll, first_poll
    bound = exports.Executor
    for name, arguments in (('start', 1), ('handle', 4), ('stop', 0)):
        getattr(bound, f'_async_start_{name}')(_Probe(), *[None] * arguments, 0)
        _exports[name] = numbers.pop()
    support.first_poll = original


class _Probe:
    """Stands for a component while the functions' numbers are asked for."""

    async def start(self, *_: Any) -> None: ...

    handle = stop = start


def _start(configuration: Any, index: int, borrows: int) -> int:
    global _executor
    finalizer.restore()
    result: Any = _DONE
    try:
        _executor = _class(**_configured(configuration))
    except BaseException as error:
        result = Err(_failure(error))
    runtime.call_task_return(index, borrows, result)
    return EXIT


def _configured(configuration: Any) -> dict[str, Any]:
    """What the executor's class is called with."""
    given = json.loads(configuration.uses_with or '{}')
    more = {
        'metas': json.loads(configuration.metas or '{}'),
        'requests': dict(configuration.requests),
        'runtime_args': json.loads(configuration.runtime_args or '{}'),
    }
    parameters = inspect.signature(_class.__init__).parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters}
    for name, value in more.items():
        if takes_all or name in names:
            given.setdefault(name, value)
    return given


def _stop(index: int, borrows: int) -> int:
    async def close() -> None:
        try:
            closing = _executor.close() if _executor is not None else None
            if inspect.isawaitable(closing):
                await closing
        except BaseException as error:
            print('\n'.join(lines_of(error)))

    return loop.begin(Call(), close(), lambda _: runtime.call_task_return(index, borrows, _DONE))


def export(executor: type) -> type:
    """The component of an executor class, for the build's entry module to name."""
    global _class
    _class = executor
    _methods[:] = [_Method(handler) for handler in handlers(executor) + unbound(executor, Executor)]
    _number_exports()
    return Component
