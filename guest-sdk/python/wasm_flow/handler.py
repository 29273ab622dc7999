"""A method that answers requests: what it is bound to, which arguments it asks for, and
what it may return."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Iterable, Optional, Sequence, TypeVar, Union, overload

from .array import DocumentArray
from .document import Document

DEFAULT_ENDPOINT = '/default'

# What the host, or Jina, has for a method.
ARGUMENTS = ('docs', 'parameters', 'docs_matrix', 'docs_map', 'tracing_context')

F = TypeVar('F', bound=Callable[..., Any])


@overload
def requests(func: F) -> F: ...
@overload
def requests(
    *,
    on: Union[str, Sequence[str], None] = None,
    request_schema: Any = None,
    response_schema: Any = None,
) -> Callable[[F], F]: ...


def requests(
    func: Optional[Callable[..., Any]] = None,
    *,
    on: Union[str, Sequence[str], None] = None,
    request_schema: Any = None,
    response_schema: Any = None,
) -> Any:
    """Binds a method of an executor to endpoints: `@requests(on='/index')`,
    `@requests(on=['/index', '/search'])`, or `@requests` for every endpoint that nothing
    else is bound to.

    The method names the arguments that it wants: `docs`, `parameters`, `docs_matrix`,
    `docs_map`, or `**kwargs` for all of them. `doc` in place of `docs` gets the documents
    one by one. It may be an `async def`.
    """
    if on is None:
        endpoints = [DEFAULT_ENDPOINT]
    elif isinstance(on, str):
        endpoints = [on]
    else:
        endpoints = list(on)
    for endpoint in endpoints:
        if not isinstance(endpoint, str):
            raise TypeError(f'`on` of @requests has endpoints as texts, and not {endpoint!r}')

    def bind(function: F) -> F:
        if not callable(function):
            raise TypeError(f'@requests binds a method, and not {function!r}')
        bound = getattr(function, '__wasm_flow_endpoints__', [])
        function.__wasm_flow_endpoints__ = [*bound, *endpoints]  # type: ignore[attr-defined]
        # An error here names the class's line and not a later one.
        Signature(function)
        return function

    return bind if func is None else bind(func)


def write(func: F) -> F:
    """Marks a method that changes what the executor keeps: Jina's `@write`."""
    func.__wasm_flow_write__ = True  # type: ignore[attr-defined]
    return func


class Signature:
    """Which arguments a method asks for."""

    __slots__ = ('all', 'names', 'single')

    # `**kwargs`: it gets all that there are.
    all: bool
    names: frozenset[str]
    # It gets the documents one by one, as `doc`.
    single: bool

    def __init__(self, function: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(function).parameters.values())
        names = set()
        self.all = False
        for place, parameter in enumerate(parameters):
            if parameter.kind is parameter.VAR_KEYWORD:
                self.all = True
            elif place == 0 or parameter.kind is parameter.VAR_POSITIONAL:
                # The first is the executor.
                continue
            elif parameter.name in ARGUMENTS or parameter.name == 'doc':
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    raise TypeError(
                        f'{_place(function)}: `{parameter.name}` is given by its name, so no `/` can stand behind it'
                    )
                names.add(parameter.name)
            elif parameter.default is parameter.empty:
                known = ', '.join(f'`{name}`' for name in ARGUMENTS[:-1])
                raise TypeError(
                    f'{_place(function)} asks for `{parameter.name}`, which no request has. '
                    f'There are {known}, and `**kwargs` for all of them'
                )
        self.single = 'doc' in names
        names.discard('doc')
        self.names = frozenset(names)
        if self.single and 'docs' in names:
            raise TypeError(
                f'{_place(function)} asks for `doc` and for `docs`: it can have one of them'
            )

    def wants(self, name: str) -> bool:
        """Whether it gets this argument."""
        return self.all or name in self.names


class Handler:
    """A method of an executor class, as requests call it."""

    __slots__ = ('name', 'function', 'endpoints', 'signature', 'is_async', 'is_stream', 'writes')

    def __init__(self, name: str, function: Callable[..., Any], endpoints: Iterable[str]) -> None:
        self.name = name
        self.function = function
        self.endpoints = list(dict.fromkeys(endpoints))
        self.signature = Signature(function)
        self.is_async = inspect.iscoroutinefunction(function)
        self.is_stream = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(
            function
        )
        self.writes = bool(getattr(function, '__wasm_flow_write__', False))
        if self.is_stream and not self.signature.single:
            raise TypeError(
                f'{_place(function)} yields documents, so it has to ask for `doc`: it is called for each document'
            )


def handlers(executor: type) -> list[Handler]:
    """The methods that requests can reach, bound or not: `uses_requests` may bind any."""
    found: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    owners: dict[str, str] = {}
    for cls in reversed(executor.__mro__):
        for name, function in vars(cls).items():
            if not inspect.isfunction(function):
                continue
            endpoints = list(getattr(function, '__wasm_flow_endpoints__', ()))
            inherited = found.get(name)
            if inherited is not None and not endpoints:
                # A method that a class overrides keeps its endpoints.
                endpoints = inherited[1]
            if endpoints or inherited is not None:
                found[name] = (function, endpoints)
                for endpoint in endpoints:
                    owners[endpoint] = name
    # As in Jina, the last method that is bound to an endpoint has it.
    return [
        Handler(name, function, [endpoint for endpoint in endpoints if owners[endpoint] == name])
        for name, (function, endpoints) in found.items()
    ]


def unbound(executor: type, base: type) -> list[Handler]:
    """The other methods that `uses_requests` may bind: those that ask for documents or
    `**kwargs`, and are not the base class's own."""
    known = {handler.name for handler in handlers(executor)}
    more = []
    for name in dir(executor):
        if name.startswith('_') or name in known or hasattr(base, name):
            continue
        function = getattr(executor, name)
        if not inspect.isfunction(function):
            continue
        try:
            handler = Handler(name, function, [])
        except TypeError:
            continue
        if handler.signature.wants('docs') or handler.signature.single:
            more.append(handler)
    return more


def each(handler: Handler) -> Callable[..., Any]:
    """A method for `doc` as one for `docs`: what it returns takes the document's place."""
    function = handler.function
    if handler.is_async:

        async def call_async(executor: Any, docs: DocumentArray, **arguments: Any) -> DocumentArray:
            made = []
            for doc in docs:
                made.append(_single(await function(executor, doc=doc, **arguments), doc))
            return _again(docs, made)

        return call_async

    def call(executor: Any, docs: DocumentArray, **arguments: Any) -> DocumentArray:
        return _again(
            docs, [_single(function(executor, doc=doc, **arguments), doc) for doc in docs]
        )

    return call


def _single(returned: Any, doc: Document) -> Document:
    if returned is None:
        return doc
    if not isinstance(returned, Document):
        raise TypeError(
            f'a method for `doc` returns a Document or None, and not {type(returned).__name__}'
        )
    return returned


def _again(docs: DocumentArray, made: list[Document]) -> DocumentArray:
    if all(one is other for one, other in zip(docs, made)):
        return docs
    return DocumentArray(made)


def _place(function: Callable[..., Any]) -> str:
    return f'the method {function.__qualname__}'
