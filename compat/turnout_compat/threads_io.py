"""The I/O thread of threaded servers: one event loop that owns every session of the process.

A server's thread belongs to its connection, and runs the handler of it. Socket, timers and the
session itself are the I/O thread's, as on asyncio they are the event loop's: so messages, timers
and senders in other threads meet in one place, in order, and a TLS socket has one user.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, TypeVarTuple

from turnout.runtime import Host
from turnout_compat.asyncio_runtime import AsyncioRuntime
from turnout_compat.threads_hosts import ConnectionThreadHost, LoopHost
from turnout_compat.threads_session import ThreadedSession

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.session.session import WebSocketSession

__all__ = ["IoRuntime"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class IoRuntime(AsyncioRuntime):
    """The event loop of the I/O thread; it begins when it is first needed, in each process."""

    session_class: ClassVar[type[WebSocketSession] | None] = ThreadedSession
    _shared: ClassVar[IoRuntime | None] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._thread_of_loop: threading.Thread | None = None
        self._has_ended = False

    @classmethod
    def shared(cls) -> IoRuntime:
        """Return the one of the process."""
        with cls._making:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def start(self) -> Self:
        """Make sure that the thread runs, unless it has been stopped."""
        if not self._has_begun:
            with self._starting:
                if not self._has_begun:
                    self._start()
        return self

    @property
    def _has_begun(self) -> bool:
        return self._has_ended or self._thread_of_loop is not None

    def _start(self) -> None:
        loop = IoLoop()
        running = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(loop, running), name="turnout-io", daemon=True
        )
        thread.start()
        running.wait()
        self._thread_of_loop = thread

    def _run(self, loop: IoLoop, running: threading.Event) -> None:
        self.bind(loop)
        loop.call_soon(running.set)
        try:
            loop.run_forever()
            loop.refuse()
            loop.run_until_complete(_cancel_all())
        finally:
            loop.close()

    def stop(self) -> None:
        """Cancel what runs in the loop, wait for it, and end the thread; harmless when repeated.

        Sessions that begin later get another one.
        """
        with self._making:
            if IoRuntime._shared is self:
                IoRuntime._shared = None
        with self._starting:
            has_ended, self._has_ended = self._has_ended, True
            if self._thread_of_loop is not None and not has_ended:
                asyncio.run_coroutine_threadsafe(_shut_down(), self.loop)
                self._thread_of_loop.join()

    def call_inside(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the I/O thread: at once from there, else soon."""
        self.start()
        if self._thread_of_loop is not None:  # else it was stopped before it was needed
            super().call_inside(callback)

    async def run_inside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine in the I/O thread; another thread is blocked meanwhile."""
        self.start()
        return await coroutine if self.is_inside else self.call_blocking(coroutine)

    def host(self, prepared: PreparedHandler) -> Host:
        """Return the host for a handler: the connection's own thread, or a task of this loop."""
        if prepared.async_runtime == "asyncio":
            return LoopHost(self)
        return ConnectionThreadHost(self)


class IoLoop(asyncio.SelectorEventLoop):
    """A loop that does whatever other threads gave it before it refused to take more.

    What asyncio is given between its last turn and `close()` is dropped, and whoever waits for it
    waits for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._giving = threading.RLock()  # a signal handler may give in the middle of it
        self._refuses = False

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have the loop call back soon; raise `RuntimeError` when it takes no more."""
        with self._giving:
            if self._refuses:
                raise RuntimeError("the I/O thread has ended")
            return super().call_soon_threadsafe(callback, *args, context=context)

    def refuse(self) -> None:
        """Take no more."""
        with self._giving:
            self._refuses = True


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _shut_down() -> None:
    loop = asyncio.get_running_loop()
    await _cancel_all()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
    loop.stop()


def _forget_parent() -> None:
    """Let a forked process have a thread of its own: the parent's has not come with it."""
    IoRuntime._shared = None  # noqa: SLF001  # a part of the class
    IoRuntime._making = threading.Lock()  # noqa: SLF001  # it may have been held


def _stop_shared() -> None:
    shared = IoRuntime._shared  # noqa: SLF001  # a part of the class
    if shared is not None:
        shared.stop()


os.register_at_fork(after_in_child=_forget_parent)
# Now, and not when a thread begins: what is registered last is called first, and applications that
# drain at the exit need the thread.
atexit.register(_stop_shared)
