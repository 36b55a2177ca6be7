"""Where handlers run on threaded servers: in their connection's thread, or in the I/O thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from turnout.drive import drive
from turnout.runtime import set_current_caller, set_current_runtime
from turnout.session.lifecycle import Lifecycle
from turnout_compat.asyncio_hosts import TaskHost, ThreadHost
from turnout_compat.threads_runtime import TaskCancelled, ThreadWork

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.session.session import WebSocketSession
    from turnout_compat.asyncio_threads import ThreadControl, ThreadSession

__all__ = ["ConnectionThreadHost", "LoopHost", "serve_from_here"]

log = logging.getLogger("turnout.handler")

GRACE = 0.5
"""Seconds for a handler that was cancelled to return."""


class Workplace:
    """The thread of a connection, which waits for what its session gives it to run."""

    def __init__(self) -> None:
        self._given: queue.SimpleQueue[ThreadWork[Any] | None] = queue.SimpleQueue()

    def give(self, work: ThreadWork[Any] | None) -> None:
        """Have something run; None sends the thread home."""
        self._given.put(work)

    def run(self) -> None:
        """Run what is given, in the calling thread, until it is sent home."""
        thread = threading.current_thread()
        name = thread.name
        while (work := self._given.get()) is not None:
            thread.name = work.name
            work.run()
            thread.name = name


_workplace: ContextVar[Workplace] = ContextVar("turnout_workplace")


def serve_from_here(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """Run a session in the I/O thread; the calling thread runs its handler, and returns behind it.

    The session may be over before: then the handler has outlived it.
    """
    workplace = Workplace()
    context = copy_context()
    context.run(_workplace.set, workplace)
    future = context.run(asyncio.run_coroutine_threadsafe, coroutine, loop)
    future.add_done_callback(lambda _: workplace.give(None))
    workplace.run()
    with suppress(CancelledError):  # the I/O thread was stopped, and has closed the session
        future.result()


class ConnectionThreadHost(ThreadHost):
    """Runs handlers of both colours in the thread that the server gave their connection.

    An `async def` handler is driven there: what it awaits of turnout blocks this thread only.
    """

    def _life_of(
        self,
        session: WebSocketSession,
        prepared: PreparedHandler,
        face: ThreadSession,
        control: ThreadControl,
    ) -> Lifecycle:
        seen = session if prepared.colour == "async" else face
        return InterruptibleLifecycle(prepared, session, seen, control)

    async def _serve(self, life: Lifecycle, name: str) -> None:
        assert isinstance(life, InterruptibleLifecycle)
        life.work = ThreadWork(lambda: drive(life.run()), name)
        _workplace.get().give(life.work)
        await self._runtime.finish(life.work)

    async def _interrupt(self, life: Lifecycle, ended: asyncio.Future[None]) -> None:
        assert isinstance(life, InterruptibleLifecycle)
        life.interrupt()
        await asyncio.wait([ended], timeout=GRACE)


class InterruptibleLifecycle(Lifecycle):
    """A lifecycle whose handler is cancelled at its next wait, but not what is told at its end."""

    work: ThreadWork[None]
    _is_serving = True
    _is_overdue = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._turning = threading.Lock()

    def interrupt(self) -> None:
        """Cancel the handler, unless it has ended."""
        with self._turning:
            if self._is_serving:
                self._is_overdue = True
                self.work.cancel()

    async def run(self) -> None:
        """Serve until the session is over, then tell the handler so."""
        try:
            await super().run()
        except TaskCancelled:
            if not self._is_overdue:
                raise
            log.warning("the handler of session %s was cancelled: close_timeout", self._session.id)

    async def finish(self) -> None:
        """Tell the handler that the session is over."""
        with self._turning:
            self._is_serving = False
            self.work.cancelled = False
        await super().finish()


class LoopHost(TaskHost):
    """Runs `async def` handlers as tasks of the I/O thread's loop (`async_runtime="asyncio"`)."""

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life; the connection's thread waits for its end."""
        set_current_runtime(self._runtime)
        set_current_caller(self._runtime.call_blocking)
        await super().run(session, prepared)
