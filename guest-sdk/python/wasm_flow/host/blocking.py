"""An event loop for `asyncio.run` in a method that is not `async`: it runs until it is done,
and nothing else of the instance does meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Callable, Optional


class BlockingLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, which waits for time alone: there are no sockets to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Sleep()

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future:
        """There are no threads: the function runs at once."""
        return at_once(self, func, *args)


class _Sleep:
    """What a loop asks for events: there are none, only time passes."""

    def select(self, timeout: Optional[float]) -> list[Any]:
        if timeout is None:
            raise RuntimeError('nothing can wake this event loop: it waits for what nobody does')
        if timeout > 0:
            time.sleep(timeout)
        return []


def at_once(loop: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future:
    """The future of a function that is called now, in the place of one in a thread."""
    future = loop.create_future()
    try:
        future.set_result(func(*args))
    except StopIteration as error:
        future.set_exception(RuntimeError(f'{func!r} raised {error!r}'))
    except Exception as error:
        future.set_exception(error)
    return future


def install() -> None:
    """Makes it what `asyncio.run` runs on."""
    asyncio.events.new_event_loop = BlockingLoop
    asyncio.new_event_loop = BlockingLoop
