"""The gevent runtime: coroutines are driven in greenlets, where every wait blocks only that one."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import gevent.monkey
from greenlet import getcurrent

from turnout.drive import drive
from turnout.errors import UsageError
from turnout.runtime import Runtime, Task, Timer, Waiter
from turnout_compat.gevent_hosts import EventLoopHost, GreenletHost
from turnout_compat.gevent_tasks import GeventTask, GeventTimeout
from turnout_compat.gevent_waiting import GeventTimer, GeventWaiter

if TYPE_CHECKING:
    import gevent.hub

    from turnout.handlers.traits import PreparedHandler
    from turnout.runtime import Host
    from turnout_compat.gevent_event_loop import EventLoop

__all__ = ["GeventRuntime", "TimeSlice"]

T = TypeVar("T")

# The real ones: monkey patching may have replaced them by greenlets' own.
_thread_ident = gevent.monkey.get_original("_thread", "get_ident")
_allocate_lock = gevent.monkey.get_original("_thread", "allocate_lock")

SLICE = 0.005
"""Seconds that one connection may take before the hub serves the others."""


class TimeSlice:
    """How long the hub has been serving one connection, which may take only so long."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = 0.0

    def renew(self) -> None:
        """Begin a turn."""
        self._began = time.monotonic()

    @property
    def is_over(self) -> bool:
        """True when others should have their turn."""
        return time.monotonic() - self._began > SLICE


class GeventRuntime(Runtime):
    """Everything happens in the greenlets of one hub, by default the calling thread's.

    Timers call back in the hub, which may not block. Exceptions of spawned greenlets are raised
    where their task is awaited; gevent prints nothing.
    """

    name = "gevent"

    def __init__(self, hub: gevent.hub.Hub | None = None) -> None:
        self.hub = hub or gevent.get_hub()
        self.slice = TimeSlice()
        self.event_loop: EventLoop | None = None
        """Runs the handlers that were registered with `async_runtime="asyncio"`."""

    def time(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in the hub."""
        return GeventTimer(self.hub, delay, callback)

    def waiter(self) -> Waiter:
        """Return a fresh waiter."""
        return GeventWaiter(self)

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
        """Drive a coroutine in a greenlet of its own."""
        return GeventTask(self, lambda: drive(coroutine), name, coroutine.close)

    def spawn_plain(self, function: Callable[[], T], *, name: str | None = None) -> Task[T]:
        """Run a function in a greenlet of its own."""
        return GeventTask(self, function, name)

    def call_inside(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the hub's thread: at once from there, else soon, in the hub."""
        if self.is_inside:
            callback()
        else:
            self.hub.loop.run_callback_threadsafe(callback)

    def call_blocking(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Drive a coroutine in the calling greenlet, or in one of the hub for another thread."""
        if not self.is_inside:
            return self._call_from_outside(coroutine)
        if self.event_loop is not None and getcurrent() is self.event_loop.greenlet:
            coroutine.close()
            raise UsageError(
                "this would block the event loop: in `async def` code, await the session itself and"
                " turnout's own helpers"
            )
        return drive(coroutine)

    @property
    def is_inside(self) -> bool:
        """True in the thread of the hub."""
        return bool(_thread_ident() == self.hub.thread_ident)

    def _call_from_outside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        ended = _allocate_lock()
        ended.acquire()
        tasks: list[Task[T]] = []

        def begin() -> None:
            tasks.append(self.spawn(coroutine, name="turnout-from-thread"))
            tasks[0].on_done(ended.release)

        self.hub.loop.run_callback_threadsafe(copy_context().run, begin)
        ended.acquire()
        return drive(_result(tasks[0]))

    async def run_plain(self, function: Callable[[], T], *, name: str) -> T:
        """Call the function: this greenlet may block."""
        return function()

    def host(self, prepared: PreparedHandler) -> Host:
        """Return the host for a handler: the connection's greenlet, or a task beside it."""
        if prepared.async_runtime == "asyncio":
            return EventLoopHost(self)
        return GreenletHost(self)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a deadline for everything that its body waits for."""
        return GeventTimeout(seconds)

    def start_event_loop(self) -> EventLoop:
        """Return the asyncio event loop of this hub; the first call starts it."""
        if self.event_loop is None:
            from turnout_compat.gevent_event_loop import EventLoop

            self.event_loop = EventLoop(self)
        return self.event_loop

    def close(self) -> None:
        """Stop the event loop, if one was started; its tasks are cancelled."""
        if self.event_loop is not None:
            self.event_loop.close()
            self.event_loop = None


async def _result(task: Task[T]) -> T:
    return await task
