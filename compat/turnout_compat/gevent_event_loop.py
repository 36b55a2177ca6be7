"""asyncio on gevent: one event loop per hub, in a greenlet of its own.

asyncio keeps its running loop per thread, so there can be only one. Its selector waits through the
hub, and turnout's waiters know the loop's greenlet: inside it they suspend the task instead of
blocking. So a handler on this loop uses the session itself, without a bridge, and everything else
that asyncio offers too. What blocks greenlets (`gevent.sleep`, a blocking view) stops this loop.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent.selectors import GeventSelector
from greenlet import getcurrent

from turnout.runtime import set_current_caller, set_current_runtime
from turnout.session.lifecycle import Lifecycle, SessionControl
from turnout_compat.asyncio_runtime import AsyncioTask
from turnout_compat.gevent_runtime import GeventRuntime
from turnout_compat.gevent_tasks import GeventTask

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.runtime import Task
    from turnout.session.session import WebSocketSession

__all__ = ["EventLoop", "EventLoopRuntime", "serve_in_task"]

log = logging.getLogger("turnout.handler")

T = TypeVar("T")


class EventLoop:
    """The event loop of a hub; `greenlet` runs it until `close`."""

    def __init__(self, runtime: GeventRuntime) -> None:
        self.loop = asyncio.SelectorEventLoop(GeventSelector(runtime.hub))
        self.runtime = EventLoopRuntime(runtime, self)
        self.greenlet = gevent.spawn(self.loop.run_forever)
        self._outer = runtime
        atexit.register(self.close)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the loop's greenlet; may be called from any."""
        if getcurrent() is self.greenlet:
            self.loop.call_soon(callback)
        else:
            self.loop.call_soon_threadsafe(callback)

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine as a task, with the caller's context, from a greenlet that waits for it.

        Killing the greenlet cancels the task first.
        """
        context = copy_context()
        context.run(set_current_runtime, self.runtime)
        context.run(set_current_caller, self.runtime.call_blocking)
        ended = self._outer.waiter()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self.loop.create_task(coroutine, context=context))
            tasks[0].add_done_callback(lambda task: ended.wake())

        self.call_soon(begin)
        try:
            await ended
        except gevent.GreenletExit:
            self.call_soon(lambda: tasks[0].cancel())  # noqa: PLW0108  # it may not have begun
            await ended
            raise
        return tasks[0].result()

    def close(self) -> None:
        """Cancel every task, wait for them, and stop; harmless when repeated."""
        atexit.unregister(self.close)
        if self.loop.is_closed() or not self._outer.is_inside:
            return
        self.call_soon(lambda: self.loop.create_task(self._shut_down()))
        self.greenlet.join()
        self.loop.close()

    async def _shut_down(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()
        self.loop.stop()


class EventLoopRuntime(GeventRuntime):
    """The runtime of a handler on the event loop: tasks and timeouts are asyncio's."""

    def __init__(self, outer: GeventRuntime, event_loop: EventLoop) -> None:
        super().__init__(outer.hub)
        self.event_loop = event_loop
        self._outer = outer

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
        """Run a coroutine as a task of the loop."""
        return AsyncioTask(asyncio.get_running_loop().create_task(coroutine, name=name))

    def spawn_plain(self, function: Callable[[], T], *, name: str | None = None) -> Task[T]:
        """Run a function in a greenlet of its own, where it may block."""

        def run() -> T:
            set_current_runtime(self._outer)
            set_current_caller(self._outer.call_blocking)
            return function()

        return GeventTask(self, run, name)

    async def run_plain(self, function: Callable[[], T], *, name: str) -> T:
        """Run a function in a greenlet of its own and wait for it."""
        return await self.spawn_plain(function, name=name)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return `asyncio.timeout(seconds)`."""
        return asyncio.timeout(seconds)


async def serve_in_task(
    session: WebSocketSession, prepared: PreparedHandler, event_loop: EventLoop
) -> None:
    """Run a handler's whole life in the current task."""
    task = asyncio.current_task()
    assert task is not None
    life = TaskLifecycle(prepared, session, session, SessionControl(session))

    def interrupt() -> None:
        if life.is_serving:
            life.is_overdue = True
            task.cancel()

    session.on_deadline(lambda: event_loop.call_soon(interrupt))
    session.start()
    try:
        await life.run()
    except asyncio.CancelledError:
        if not life.is_overdue or task.uncancel():
            raise
        log.warning("the handler of session %s was cancelled: close_timeout", session.id)


class TaskLifecycle(Lifecycle):
    """A lifecycle that knows whether its handler is still serving."""

    is_serving = True
    is_overdue = False

    async def finish(self) -> None:
        """Tell the handler that the session is over; no deadline cancels that."""
        self.is_serving = False
        await super().finish()
