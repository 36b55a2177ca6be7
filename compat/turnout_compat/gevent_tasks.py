"""Greenlets that run beside their caller, and deadlines for what a greenlet does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import gevent

from turnout.runtime import Task

if TYPE_CHECKING:
    from types import TracebackType

    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["GeventTask", "GeventTimeout"]

log = logging.getLogger("turnout.task")

T = TypeVar("T")


class GeventTask(Task[T]):
    """A function in a greenlet of its own, in a copy of the caller's context.

    Cancelling kills the greenlet: `GreenletExit` is raised where it waits. `discard` is called
    instead of the function when it is cancelled before it began.
    """

    def __init__(
        self,
        runtime: GeventRuntime,
        function: Callable[[], T],
        name: str | None,
        discard: Callable[[], object] | None = None,
    ) -> None:
        self._runtime = runtime
        self._discard = discard
        self._began = self._ended = self._told = False
        self._callbacks: list[Callable[[], object]] = []
        self._result: T
        self._error: BaseException | None = None
        self._greenlet = gevent.Greenlet(copy_context().run, self._run, function)
        if name is not None:
            cast("Any", self._greenlet).name = name
        self._greenlet.start()

    def __del__(self) -> None:
        if isinstance(self._error, Exception) and not self._told:
            log.error(
                "the task %s raised, and nobody asked for its result",
                self._greenlet.name,
                exc_info=self._error,
            )

    @property
    def done(self) -> bool:
        """True once it has ended."""
        return self._ended

    @property
    def error(self) -> BaseException | None:
        """What it ended with; `GreenletExit` when it was cancelled."""
        self._told = True
        return self._error

    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it has ended, soon if it already has."""
        if self._ended:
            self._runtime.hub.loop.run_callback(callback)
        else:
            self._callbacks.append(callback)

    def cancel(self) -> None:
        """Kill the greenlet; harmless when it has ended."""
        if self._ended:
            return
        self._greenlet.kill(block=False)
        if not self._began:
            self._error = gevent.GreenletExit("cancelled before it began")
            if self._discard is not None:
                self._discard()
            self._end()

    def __await__(self) -> Generator[Any, None, T]:
        if not self._ended:
            waiter = self._runtime.waiter()
            self._callbacks.append(waiter.wake)
            yield from waiter.__await__()
        if self.error is not None:
            raise self.error
        return self._result

    def _run(self, function: Callable[[], T]) -> None:
        self._began = True
        try:
            self._result = function()
        except BaseException as error:  # raised again where the task is awaited
            self._error = error
        self._end()

    def _end(self) -> None:
        self._ended = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class GeventTimeout(AbstractAsyncContextManager["GeventTimeout"]):
    """Raises inside its body, wherever that waits, when its time is over; then `TimeoutError`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(0.0, seconds)
        self._timeout: gevent.Timeout

    async def __aenter__(self) -> Self:
        self._timeout = gevent.Timeout.start_new(self._seconds)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timeout.close()
        if error is self._timeout:
            raise TimeoutError from error
