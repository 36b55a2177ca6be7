"""The end of a worker of granian's, put off until its sessions have been closed.

At its signal such a worker stops the runtime that all connections are on, and tells the application
only then. Nothing can be sent any more; a client that waits gets no answer, and in the runtime of
several threads, which serves ASGI unless told otherwise, a result that comes in late aborts the
whole process before any handler has learnt of the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

__all__ = ["before_shutdown", "wait_at_shutdown"]

Drain: TypeAlias = Callable[[], Awaitable[None]]

_shutdowns: WeakKeyDictionary[asyncio.AbstractEventLoop, Shutdown] = WeakKeyDictionary()


def wait_at_shutdown() -> None:
    """Have the workers of granian that begin in this process from now on wait at their signal.

    An application is loaded before its worker begins. Elsewhere than on granian, do nothing.
    """
    if "granian" not in sys.modules:
        return
    from granian import _signals

    module: Any = _signals
    if not isinstance(module.set_loop_signals, _SetLoopSignals):
        module.set_loop_signals = _SetLoopSignals(module.set_loop_signals)


def before_shutdown(loop: asyncio.AbstractEventLoop, drain: Drain) -> None:
    """Await `drain()` before the worker on this loop ends; without such a worker, do nothing."""
    shutdown = _shutdowns.get(loop)
    if shutdown is not None:
        shutdown.drains.append(drain)


class Shutdown:
    """The end of one worker, which `event.set()` begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: Any) -> None:
        self.drains: list[Drain] = []
        self._loop = loop
        self._event = event
        self._ending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """End once all is drained; at a terminal, SIGINT and the parent's SIGTERM both ask."""
        if self._ending is None:
            self._ending = self._loop.create_task(self._end())

    async def _end(self) -> None:
        try:
            await asyncio.gather(*(drain() for drain in self.drains))
        finally:
            self._event.set()


class _SetLoopSignals:
    """Stands in for what sets up the signals of a worker, and returns the event of its end."""

    def __init__(self, original: Callable[[asyncio.AbstractEventLoop], Any]) -> None:
        self._original = original

    def __call__(self, loop: asyncio.AbstractEventLoop) -> Any:
        event = self._original(loop)
        shutdown = _shutdowns[loop] = Shutdown(loop, event)
        with contextlib.suppress(NotImplementedError):  # Windows: granian's own handlers stay
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, shutdown.begin)
        return event
