"""asyncio over the calls of one instance.

The host runs each call as a task of its own. A task can wait for the host's events, and
is woken by them alone. So each call has its own callbacks and timers here, and they run
while the host runs that call. What one call does for another one (a lock that it releases,
a queue that it puts something into) is noted with the other call, and a future that both
ends of are here wakes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import time
from collections import deque
from contextvars import Context, ContextVar, copy_context
from typing import Any, Callable, Optional

import componentize_py_async_support as support
import componentize_py_runtime as runtime
from componentize_py_types import Ok
from wit_world.imports import timers

from .blocking import BlockingLoop, at_once

EXIT = 0
YIELD = 1
WAIT = 2

# Seconds before the host gives up on a call, at which its task is cancelled.
MARGIN = 0.05

# Rounds of callbacks after which other calls have a turn.
ROUNDS = 64

_call: ContextVar['Call'] = ContextVar('wasm_flow_call')


class Call:
    """A call of an export that is not done: its callbacks, its timers, and what it waits
    for."""

    __slots__ = (
        'ready',
        'pending',
        'waitables',
        'futures',
        'timers',
        'armed',
        'wakes',
        'asleep',
        'time_left',
        'task',
        'expired',
    )

    def __init__(self, time_left: Optional[Callable[[], Optional[int]]] = None) -> None:
        # Asks for the nanoseconds until the host gives up on it; None once it was asked.
        self.time_left = time_left
        # The task that answers it.
        self.task: Optional[asyncio.Task] = None
        # Whether that was cancelled because the time was up.
        self.expired = False
        self.ready: deque[asyncio.Handle] = deque()
        # Tasks that are not done. The call lasts as long as there is one, also after it
        # was answered.
        self.pending = 0
        # The host's set of what it waits for.
        self.waitables: Optional[int] = None
        self.futures: dict[int, tuple[asyncio.Future, int]] = {}
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.armed: dict[int, _Timer] = {}
        self.wakes: dict[int, int] = {}
        self.asleep = False

    def join(self, waitable: int) -> None:
        """Has the host wake this call for it."""
        if self.waitables is None:
            self.waitables = runtime.waitable_set_new()
        runtime.waitable_join(waitable, self.waitables)

    def expire(self) -> None:
        """Cancels the task that answers it, as the host is about to give up on it. The host
        would not tell: a lock that the task holds would be held for good."""
        if self.task is not None and not self.task.done():
            self.expired = True
            self.task.cancel()


class _Timer:
    """A timer of the host that is running. It cannot be stopped."""

    __slots__ = ('deadline', 'type', 'reader', 'waitable', 'promise')

    def __init__(
        self, deadline: float, type: int, reader: int, waitable: int, promise: int
    ) -> None:
        self.deadline = deadline
        self.type = type
        self.reader = reader
        self.waitable = waitable
        self.promise = promise


class Loop(asyncio.AbstractEventLoop):
    """The event loop of an instance."""

    def __init__(self) -> None:
        # The call that the host runs now.
        self.current: Optional[Call] = None
        # Timers that are running and that nobody waits for: they were for a time limit that
        # was kept. The next call that waits long enough takes one.
        self._spare: list[_Timer] = []
        # What is to run, and whose call is over.
        self._orphans = Call()
        self._order = itertools.count()
        self._handler: Optional[Callable[..., Any]] = None
        self._factory: Optional[Callable[..., Any]] = None
        self._future_type: Optional[int] = None

    # --- what tasks call ----------------------------------------------------

    def time(self) -> float:
        return time.monotonic()

    def _owner(self, context: Context) -> Call:
        call = context.get(_call)
        # A callback of a call that is over runs in the one that caused it.
        if call is None or call.pending == 0:
            call = self.current
        if call is None:
            # A method that is not `async` caused it: the next call that may wait runs it.
            call = self._orphans
        return call

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Optional[Context] = None
    ) -> asyncio.Handle:
        if context is None:
            context = copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        call = self._owner(context)
        call.ready.append(handle)
        if call.asleep and call is not self.current:
            self._wake(call)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Optional[Context] = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Optional[Context] = None,
    ) -> asyncio.TimerHandle:
        if context is None:
            context = copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        call = self._owner(context)
        heapq.heappush(call.timers, (when, next(self._order), handle))
        if call.asleep and call is not self.current:
            self._wake(call)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task:
        context = options.get('context')
        if context is None:
            context = options['context'] = copy_context()
        call = self._owner(context)
        if context.get(_call) is not call:
            context.run(_call.set, call)
        call.pending += 1
        if self._factory is not None:
            task = self._factory(self, coro, **options)
        else:
            task = asyncio.Task(coro, loop=self, **options)

        def done(_: Any) -> None:
            call.pending -= 1

        task.add_done_callback(done, context=context)
        return task

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future:
        """There are no threads: the function runs at once."""
        return at_once(self, func, *args)

    # --- what belongs to a loop that runs as long as its instance -----------

    def run_until_complete(self, future: Any) -> Any:
        """For methods that are not `async`, as `asyncio.run`."""
        if asyncio._get_running_loop() is not None:
            raise RuntimeError('This event loop is already running: `await` is what is meant')
        with contextlib.closing(BlockingLoop()) as other:
            return other.run_until_complete(future)

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        pass

    async def shutdown_asyncgens(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout: Any = None) -> None:
        pass

    def set_default_executor(self, executor: Any) -> None:
        pass

    def set_task_factory(self, factory: Any) -> None:
        self._factory = factory

    def get_task_factory(self) -> Any:
        return self._factory

    def set_exception_handler(self, handler: Any) -> None:
        self._handler = handler

    def get_exception_handler(self) -> Any:
        return self._handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._handler is not None:
            self._handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get('exception')
        message = context.get('message') or 'an error in the event loop that nobody took'
        logging.getLogger('asyncio').error(message, exc_info=error)

    # --- what the host calls ------------------------------------------------

    def begin(self, call: Call, coroutine: Any, finish: Callable[[Any], None]) -> int:
        """Runs a coroutine as a call, and `finish` with what it returns. What it does before
        it first waits is done at once."""
        context = Context()
        context.run(_call.set, call)
        call.pending = 1
        self.current = call
        asyncio._set_running_loop(self)
        try:
            task = asyncio.Task(coroutine, loop=self, context=context, eager_start=True)
            if task.done():
                finish(task.result())
                call.pending -= 1
            else:

                def done(task: asyncio.Task) -> None:
                    finish(task.result())
                    call.pending -= 1
                    # The two have each other.
                    call.task = None

                task.add_done_callback(done, context=context)
                call.task = task
                if call.time_left is not None:
                    left = call.time_left()
                    call.time_left = None
                    if left is not None:
                        seconds = left / 1e9
                        margin = min(MARGIN, seconds / 10)
                        self.call_later(seconds - margin, call.expire, context=context)
        finally:
            asyncio._set_running_loop(None)
            self.current = None
        return self.poll(call)

    def poll(self, call: Call) -> int:
        """Runs what a call can do, and says what the host is to do with it."""
        ready = call.ready
        orphans = self._orphans
        if orphans.ready or orphans.timers:
            ready.extendleft(reversed(orphans.ready))
            orphans.ready.clear()
            for timer in orphans.timers:
                heapq.heappush(call.timers, timer)
            orphans.timers.clear()
        if ready or call.timers:
            self.current = call
            call.asleep = False
            asyncio._set_running_loop(self)
            try:
                for _ in range(ROUNDS):
                    if call.timers:
                        self._run_due(call)
                    if not ready:
                        break
                    for _ in range(len(ready)):
                        handle = ready.popleft()
                        if not handle._cancelled:
                            try:
                                handle._run()
                            except (SystemExit, KeyboardInterrupt):
                                # The task that raised it has it.
                                pass
            finally:
                asyncio._set_running_loop(None)
                self.current = None
        if not call.pending:
            self._end(call)
            return EXIT
        runtime.context_set(call)
        if ready or not self._arm(call):
            return YIELD
        if call.waitables is None:
            call.waitables = runtime.waitable_set_new()
        call.asleep = True
        return WAIT | call.waitables << 4

    def callback(self, event: int, waitable: int, code: int) -> int:
        """An event of the host's for the call that it resumes."""
        call = runtime.context_get()
        runtime.context_set(None)
        call.asleep = False
        if event != support._Event.NONE:
            self._deliver(call, event, waitable, code)
        return self.poll(call)

    def _deliver(self, call: Call, event: int, waitable: int, code: int) -> None:
        if event == support._Event.SUBTASK and code != support._Status.RETURNED:
            return
        runtime.waitable_join(waitable, 0)
        if waitable in call.armed:
            self._fired(call.armed.pop(waitable), code)
        elif waitable in call.wakes:
            runtime.promise_get_result(code, call.wakes.pop(waitable))
            runtime.future_drop_readable(self._future_type, waitable)
        else:
            if event == support._Event.SUBTASK:
                runtime.subtask_drop(waitable)
            future, promise = call.futures.pop(waitable)
            call.pending -= 1
            if future.cancelled():
                # Nobody waits for it any more, but it has to be taken.
                runtime.promise_get_result(code, promise)
            else:
                self.current = call
                future.set_result(code)
                self.current = None

    async def host(self, result: Any) -> Any:
        """What a call of the host that may wait comes to."""
        if isinstance(result, Ok):
            return result.value
        waitable, promise = result.value
        call = self.current
        assert call is not None
        future = self.create_future()
        call.futures[waitable] = future, promise
        # The host's work has to come to its end before the call may.
        call.pending += 1
        call.join(waitable)
        return runtime.promise_get_result(await future, promise)

    # --- waking and timers --------------------------------------------------

    def _wake(self, call: Call) -> None:
        """Has the host resume a call that sleeps."""
        call.asleep = False
        if self._future_type is None:
            from wit_world import u32_future

            writer, reader = u32_future(lambda: 0)
            self._future_type = reader.type_
            pair = writer.handle << 32 | reader.handle
            writer.finalizer.detach()
            reader.finalizer.detach()
        else:
            pair = runtime.future_new(self._future_type)
        type, writer, reader = self._future_type, pair >> 32, pair & 0xFFFFFFFF
        waitable, promise = runtime.future_read(type, reader).value
        call.wakes[waitable] = promise
        call.join(waitable)
        runtime.future_write(type, writer, 0)
        runtime.future_drop_writable(type, writer)

    def _run_due(self, call: Call) -> None:
        timers = call.timers
        now = self.time()
        while timers and (timers[0][0] <= now or timers[0][2]._cancelled):
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                call.ready.append(handle)

    def _arm(self, call: Call) -> bool:
        """Has the host resume the call for its next timer. False if that is now."""
        if not call.timers:
            return True
        when = call.timers[0][0]
        if any(timer.deadline <= when for timer in call.armed.values()):
            return True
        # One that fires too early is not too much: then the next one is looked for.
        fit = [timer for timer in self._spare if timer.deadline <= when]
        if fit:
            timer = max(fit, key=lambda timer: timer.deadline)
            self._spare.remove(timer)
        else:
            reader = timers.after(max(0, round((when - self.time()) * 1e9)))
            reader.finalizer.detach()
            result = runtime.future_read(reader.type_, reader.handle)
            if isinstance(result, Ok):
                runtime.future_drop_readable(reader.type_, reader.handle)
                return False
            waitable, promise = result.value
            timer = _Timer(when, reader.type_, reader.handle, waitable, promise)
        call.armed[timer.waitable] = timer
        call.join(timer.waitable)
        return True

    def _fired(self, timer: _Timer, code: int) -> None:
        runtime.promise_get_result(code, timer.promise)
        runtime.future_drop_readable(timer.type, timer.reader)

    def _end(self, call: Call) -> None:
        for timer in call.armed.values():
            runtime.waitable_join(timer.waitable, 0)
            self._spare.append(timer)
        call.armed.clear()
        for waitable in call.wakes:
            runtime.waitable_join(waitable, 0)
        if call.waitables is not None:
            runtime.waitable_set_drop(call.waitables)
            call.waitables = None
        # They name the call, and it has them.
        call.timers.clear()
        call.task = None


loop = Loop()


def install() -> None:
    """Puts the loop in the place of the bindings' own, for good: the component keeps it.

    This is made for the pinned componentize-py, whose generated code looks these functions
    up by their names.
    """
    asyncio.set_event_loop(loop)
    asyncio._set_running_loop(None)
    support._loop = loop
    support.callback = loop.callback
    support.await_result = loop.host
    support.spawn = lambda coroutine: loop.create_task(coroutine)
