"""What executors are made from: Jina 3's `Executor`."""

from __future__ import annotations

import logging
import os
import sys
from types import SimpleNamespace
from typing import Any, Callable, Optional

from .handler import handlers


class Executor:
    """A class with methods that answer requests.

    ```python
    class Shout(Executor):
        @requests(on='/shout')
        def shout(self, docs, **kwargs):
            for doc in docs:
                doc.text = doc.text.upper()
    ```

    It is an ordinary class: `Shout().shout(docs=docs)` works anywhere.

    If it has an `__init__`, that takes what `uses_with` holds, and `**kwargs`, which it
    passes on to `super().__init__(**kwargs)`. `self.metas`, `self.requests` and
    `self.runtime_args` can be read in its body already.
    """

    metas: SimpleNamespace
    # What is called by endpoint.
    requests: dict[str, Callable[..., Any]]
    runtime_args: SimpleNamespace
    logger: logging.Logger

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Not in `__init__`, which a class need not call, and which reads them.
        self = object.__new__(cls)
        self._take(kwargs.get('metas'), kwargs.get('requests'), kwargs.get('runtime_args'))
        return self

    def __init__(
        self,
        metas: Optional[dict[str, Any]] = None,
        requests: Optional[dict[str, Any]] = None,
        runtime_args: Optional[dict[str, Any]] = None,
        workspace: Optional[str] = None,
        **kwargs: Any,
    ) -> None:
        if metas is not None or requests is not None or runtime_args is not None:
            self._take(metas, requests, runtime_args)
        if workspace:
            self._init_workspace = workspace

    _init_workspace: Optional[str] = None

    def _take(self, metas: Any, requests: Any, runtime_args: Any) -> None:
        cls = type(self)
        self.metas = SimpleNamespace(
            **{
                'name': cls.__name__,
                'description': '',
                'workspace': '',
                'py_modules': '',
                **_dict(metas),
            }
        )
        if not self.metas.name:
            self.metas.name = cls.__name__
        self.runtime_args = SimpleNamespace(**_dict(runtime_args))
        self.logger = logging.getLogger(cls.__name__)
        self.requests = {
            endpoint: handler.function
            for handler in handlers(cls)
            for endpoint in handler.endpoints
        }
        given = _dict(requests)
        # As in Jina, a method that is bound anew loses its own endpoints.
        names = {_name(method) for method in given.values()}
        for endpoint, function in list(self.requests.items()):
            if function.__name__ in names:
                del self.requests[endpoint]
        for endpoint, method in given.items():
            bound = getattr(cls, _name(method), None)
            if not callable(bound):
                raise TypeError(f'{cls.__name__} has no method `{_name(method)}` for {endpoint}')
            self.requests[endpoint] = bound

    @property
    def workspace(self) -> Optional[str]:
        """The folder where the executor may keep files, or None if it has none: the
        `workspace` of flow.toml."""
        folder = (
            getattr(self.runtime_args, 'workspace', None)
            or self.metas.workspace
            or self._init_workspace
        )
        if not folder:
            return None
        if not os.path.isdir(folder):
            # Not without a look: in a component, the folders above do not exist.
            os.makedirs(folder, exist_ok=True)
        return os.path.abspath(folder)

    @classmethod
    def serve(cls, *_: Any, **__: Any) -> None:
        """Jina's way to serve an executor alone. Here `wasm-flow serve` does that, and this
        says so."""
        name = cls.__name__
        print(
            f'{name}.serve() serves nothing: `wasm-flow serve` serves a component of {name}',
            file=sys.stderr,
        )

    @classmethod
    def from_hub(cls, uri: str, *_: Any, **__: Any) -> Any:
        """Jina's way to get an executor from its hub. Here a flow.toml names executors of
        registries."""
        raise NotImplementedError(
            f'{uri}: an executor cannot get another one. In a flow.toml, `uses = "oci://..."` names '
            'one of a registry'
        )

    def close(self) -> None:
        """Called before the executor ends. Override it to save what it keeps."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    return dict(value) if isinstance(value, dict) else dict(vars(value))


def _name(method: Any) -> str:
    return method if isinstance(method, str) else method.__name__
