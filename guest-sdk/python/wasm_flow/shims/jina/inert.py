"""What is not an executor's business: it can be made and called, and nothing happens."""

from typing import Any


class _Inert:
    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        return lambda *_, **__: self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, _: Any) -> Any:
        return self


class Flow(_Inert):
    """Jina's `Flow`. Here, flow.toml has the flow."""

    load_config = classmethod(lambda cls, *_, **__: cls())


class Deployment(_Inert):
    """Jina's `Deployment`. Here, flow.toml has the replicas and shards."""

    load_config = classmethod(lambda cls, *_, **__: cls())


class Client(_Inert):
    """Jina's `Client`. A component has no connection to call anything with."""
