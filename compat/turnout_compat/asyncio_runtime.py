"""The asyncio runtime: a waiter is a future, a task is a task."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from turnout.errors import UsageError
from turnout.runtime import Host, Runtime, Task, Timer, Waiter
from turnout_compat.asyncio_deadlines import Deadlines
from turnout_compat.asyncio_hosts import GreenletHost, TaskHost, ThreadHost
from turnout_compat.threads_runtime import ThreadTask, ThreadWaiter, ThreadWork

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler

__all__ = ["AsyncioRuntime"]

T = TypeVar("T")


class FutureWaiter(Waiter):
    """A waiter over one future."""

    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[None] = loop.create_future()

    def wake(self) -> None:
        """Let whoever awaits go on."""
        if not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.__await__()


class AsyncioTask(Task[T]):
    """A task of the loop."""

    __slots__ = ("_task",)

    def __init__(self, task: asyncio.Task[T]) -> None:
        self._task = task

    @property
    def done(self) -> bool:
        """True once it has ended."""
        return self._task.done()

    @property
    def error(self) -> BaseException | None:
        """What it ended with."""
        if not self._task.done():
            return None
        return asyncio.CancelledError() if self._task.cancelled() else self._task.exception()

    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it has ended."""
        self._task.add_done_callback(lambda _: callback())

    def cancel(self) -> None:
        """Throw `CancelledError` into it."""
        self._task.cancel()

    def __await__(self) -> Generator[Any, None, T]:
        return self._task.__await__()


class AsyncioRuntime(Runtime):
    """Everything happens in the thread of one event loop."""

    name = "asyncio"
    _task_host: Host

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.bind(loop or asyncio.get_running_loop())

    @classmethod
    def unbound(cls) -> Self:
        """Return a runtime whose loop does not run yet; `bind` it before anything is served."""
        return cls.__new__(cls)

    def __new__(cls, loop: asyncio.AbstractEventLoop | None = None) -> Self:
        """Return a runtime without a loop."""
        self = super().__new__(cls)
        self._task_host = TaskHost(self)
        return self

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to a loop from now on, and to the calling thread, which runs it."""
        self.loop = loop
        self._thread = threading.get_ident()
        self._deadlines: dict[float, Deadlines] = {}

    def time(self) -> float:
        """Return the loop's clock."""
        return self.loop.time()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` after `delay` seconds."""
        if delay <= 0:
            return self.loop.call_soon(callback)
        return self.loop.call_later(delay, callback)

    def deadline(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` after `delay` seconds, by a timer for all that have the same delay."""
        deadlines = self._deadlines.get(delay)
        if deadlines is None:
            deadlines = self._deadlines[delay] = Deadlines(self.loop, delay)
        return deadlines.add(callback)

    def waiter(self) -> Waiter:
        """Return a fresh waiter."""
        return FutureWaiter(self.loop)

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
        """Run a coroutine as a task."""
        return self.task(self.loop.create_task(coroutine, name=name))

    def task(self, task: asyncio.Task[T]) -> Task[T]:
        """Return asyncio's task as turnout's."""
        return AsyncioTask(task)

    def spawn_plain(self, function: Callable[[], T], *, name: str | None = None) -> Task[T]:
        """Run a plain function in a thread of its own."""
        return self.spawn(self.run_plain(function, name=name or "turnout-spawned"), name=name)

    @property
    def is_inside(self) -> bool:
        """True in the thread of the loop."""
        return threading.get_ident() == self._thread

    def call_inside(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the loop's thread: at once from there, else soon."""
        if threading.get_ident() == self._thread:
            callback()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: its sessions are over
                self.loop.call_soon_threadsafe(callback)

    def call_blocking(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop from another thread, which blocks for its result."""
        if threading.get_ident() == self._thread:
            coroutine.close()
            raise UsageError(
                "this would block the event loop: in `async def` code, await the session itself and"
                " turnout's own helpers; their blocking forms are for other threads"
            )
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise UsageError("the event loop of this session has ended") from None
        waiter = ThreadWaiter()
        future.add_done_callback(lambda _: waiter.wake())
        try:
            waiter.block()
        except BaseException:  # the thread's task was cancelled, or its deadline has passed
            future.cancel()
            raise
        return future.result()

    async def run_plain(self, function: Callable[[], T], *, name: str) -> T:
        """Run a plain function in a thread of its own, with the caller's context variables.

        Cancelling this ends the thread's next wait on a turnout object.
        """
        return await self.finish(ThreadTask(function, name))

    async def finish(self, task: ThreadWork[T]) -> T:
        """Wait for what a thread runs; see `run_plain`."""
        ended = asyncio.Event()
        task.on_done(lambda: self.call_inside(ended.set))
        try:
            await ended.wait()
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result()

    def host(self, prepared: PreparedHandler) -> Host:
        """Return the host for a handler: the task, a thread, or a greenlet in the task."""
        if prepared.colour == "async":
            return self._task_host
        if prepared.bridge == "greenlet":
            return GreenletHost(self)
        return ThreadHost(self)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return `asyncio.timeout(seconds)`."""
        return asyncio.timeout(seconds)
