"""What turnout needs of a concurrency model: a clock, timers, waiters, tasks and a timeout.

A runtime is asyncio, gevent or plain threads; `turnout_compat` has one module for each. Everything
else (queues, locks, events, the session itself) is built once over these few pieces.

A *waiter* is the only place where turnout ever waits. On asyncio, awaiting one suspends the task.
On gevent and threads it blocks the greenlet or the thread inside `__await__` and returns without
suspending: so a coroutine that awaits nothing else runs to its end at the first `send(None)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from turnout.drive import drive
from turnout.errors import UsageError

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.session.session import WebSocketSession

    Ended: TypeAlias = Callable[[WebSocketSession, BaseException | None], None]
    """Takes a session that is over, and the error that its host ended with."""

__all__ = ["Host", "Runtime", "Task", "Timer", "Waiter", "current_runtime"]

T = TypeVar("T")


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Make sure it does not run; harmless after it ran."""


class Waiter(ABC):
    """A one-shot wake-up: `await waiter` returns after `wake()`, at once if that came first."""

    __slots__ = ()

    @abstractmethod
    def wake(self) -> None:
        """Let whoever awaits go on; harmless when repeated. Called inside the runtime."""

    @abstractmethod
    def __await__(self) -> Generator[Any, None, None]: ...


class Task(ABC, Generic[T]):
    """Something that runs beside the caller; `await task` gives its result or raises its error."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """True once it has ended, however it did."""

    @property
    @abstractmethod
    def error(self) -> BaseException | None:
        """What it ended with, a cancellation included; None while it runs or when it returned."""

    @abstractmethod
    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it has ended, soon if it already has; it must not block."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask it to end; on threads it ends at its next wait on a turnout object."""

    @abstractmethod
    def __await__(self) -> Generator[Any, None, T]: ...


class Host(ABC):
    """Runs handlers of one colour in one runtime."""

    @abstractmethod
    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life: prepare the session, `session.start()`, serve, finish.

        Returns when `after_connection_closed` has returned. When the session's `close_timeout` has
        passed, the handler is cancelled, or named in the log where that cannot be done.
        """

    def block(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Do what `run` does where waiting blocks the caller, on gevent and on threads."""
        drive(self.run(session, prepared))

    def spawn(
        self, session: WebSocketSession, prepared: PreparedHandler, ended: Ended
    ) -> Task[None]:
        """Do what `run` does in a task of its own, which is returned; call `ended` behind it."""
        task = session.runtime.spawn(self.run(session, prepared))
        task.on_done(lambda: ended(session, task.error))
        return task


class Runtime(ABC):
    """One concurrency model, bound to its loop, hub or pool. Methods are called inside it."""

    name: ClassVar[str]
    session_class: ClassVar[type[WebSocketSession] | None] = None
    """What sessions that live in it are, where a plain `WebSocketSession` would not do."""

    @property
    def of_sessions(self) -> Runtime:
        """The runtime that sessions live in: this one, unless its callers are many threads."""
        return self

    async def run_inside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine inside the runtime, wherever the caller is."""
        return await coroutine

    @abstractmethod
    def time(self) -> float:
        """Return a monotonic clock in seconds."""

    @abstractmethod
    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` after `delay` seconds; it must not block."""

    def deadline(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Do what `call_later` does, cheaply where many have the same delay and few are due.

        What a session waits for at most is like that; nothing of the caller's context is kept.
        """
        return self.call_later(delay, callback)

    @abstractmethod
    def waiter(self) -> Waiter:
        """Return a fresh waiter."""

    @abstractmethod
    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
        """Run a coroutine beside the caller, in a copy of the caller's context."""

    @abstractmethod
    def spawn_plain(self, function: Callable[[], T], *, name: str | None = None) -> Task[T]:
        """Run a plain function, which may block, beside the caller, in a copy of its context."""

    @abstractmethod
    def call_inside(self, callback: Callable[[], object]) -> None:
        """Call `callback` soon inside the runtime; may be called from any thread."""

    @abstractmethod
    def call_blocking(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of this runtime from plain code, which blocks until its result is there.

        Raises `UsageError` where blocking would stop the runtime itself.
        """

    @abstractmethod
    async def run_plain(self, function: Callable[[], T], *, name: str) -> T:
        """Run a plain function where it may block without holding anyone else up."""

    @abstractmethod
    def host(self, prepared: PreparedHandler) -> Host:
        """Return what runs a handler of this colour, with its opt-ins, in this runtime."""

    async def checkpoint(self) -> None:
        """Let others run."""
        waiter = self.waiter()
        self.call_later(0, waiter.wake)
        await waiter

    @abstractmethod
    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context manager that ends its body with `TimeoutError` after `seconds`."""


_current: ContextVar[Runtime] = ContextVar("turnout_runtime")


def current_runtime() -> Runtime:
    """Return the runtime of the calling handler; raise `UsageError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise UsageError(
            "no turnout runtime here: call this inside a handler, an interceptor or `spawn`"
        ) from None


def set_current_runtime(runtime: Runtime) -> None:
    """Make `runtime` the one that helpers called in this context use."""
    _current.set(runtime)


class Caller(Protocol):
    """Runs a coroutine from plain code, blocking the caller until its result is there."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T: ...


_caller: ContextVar[Caller] = ContextVar("turnout_caller", default=drive)


def set_current_caller(caller: Caller) -> None:
    """Make `caller` what `turnout.blocking` runs its coroutines with in this context."""
    _caller.set(caller)


def current_caller() -> Caller:
    """Return what runs coroutines for the plain code that asks."""
    return _caller.get()


async def settle(result: Awaitable[T] | T) -> T:
    """Return a result that may have to be awaited first: hooks may be `async def` or plain."""
    if isinstance(result, Awaitable):
        return await result
    return result
