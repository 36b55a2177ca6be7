"""The threads runtime: waiting blocks the calling thread, whatever else happens."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from turnout.drive import drive
from turnout.runtime import Runtime, Task, Waiter, set_current_caller, set_current_runtime

if TYPE_CHECKING:
    from types import TracebackType

    from turnout.handlers.traits import PreparedHandler
    from turnout.runtime import Host

__all__ = ["TaskCancelled", "ThreadTask", "ThreadWaiter", "ThreadWork", "ThreadsRuntime"]

T = TypeVar("T")

log = logging.getLogger("turnout.task")


class TaskCancelled(BaseException):
    """Ends a thread's coroutine at its next wait on a turnout object."""


class DeadlinePassed(BaseException):
    """Leaves the body of the `ThreadTimeout` that it names, and becomes a `TimeoutError` there."""


class ThreadWaiter(Waiter):
    """A waiter that blocks its thread; a cancelled task is woken with `TaskCancelled`."""

    __slots__ = ("_woken",)

    def __init__(self) -> None:
        self._woken = threading.Event()

    def wake(self) -> None:
        """Let whoever awaits go on."""
        self._woken.set()

    @property
    def woken(self) -> bool:
        """True after `wake`."""
        return self._woken.is_set()

    def block(self) -> None:
        """Block the calling thread until `wake`, a cancellation, or the nearest deadline."""
        task, deadline = ThreadWork.current(), _deadlines.nearest()
        if task is not None:
            task.waiting = self
            if task.cancelled:  # it came before this wait could be seen
                self.wake()
        left = None if deadline is None else max(0.0, deadline.due - time.monotonic())
        woken = self._woken.wait(left)
        if task is not None:
            task.waiting = None
            if task.cancelled:
                raise TaskCancelled
        if not woken:
            raise DeadlinePassed(deadline)

    def __await__(self) -> Generator[Any, None, None]:
        self.block()
        return
        yield  # makes this a generator that ends at its first step


class ThreadWork(Task[T]):
    """Something that some thread runs, once, by `run`; in a copy of the maker's context."""

    _local: ClassVar[threading.local] = threading.local()

    def __init__(self, function: Callable[[], T], name: str) -> None:
        self.name = name
        self.waiting: ThreadWaiter | None = None
        self.cancelled = False
        self._function = function
        self._context = copy_context()
        self._ended = ThreadWaiter()
        self._callbacks: list[Callable[[], object]] = []
        self._result: T
        self._error: BaseException | None = None
        self._told = False

    def __del__(self) -> None:
        if isinstance(self._error, Exception) and not self._told:
            log.error(
                "the task %s raised, and nobody asked for its result",
                self.name,
                exc_info=self._error,
            )

    @classmethod
    def current(cls) -> ThreadWork[Any] | None:
        """Return what the calling thread runs, if it runs any."""
        return getattr(cls._local, "task", None)

    def run(self) -> None:
        """Run it in the calling thread."""
        outer = self.current()
        self._local.task = self
        context, function = self._context, self._function
        del self._context, self._function  # what they hold is given back at the end
        try:
            context.run(self._run, function)
        finally:
            self._local.task = outer

    def _run(self, function: Callable[[], T]) -> None:
        set_current_runtime(ThreadsRuntime.shared())
        set_current_caller(drive)
        try:
            self._result = function()
        except BaseException as error:  # raised again where the task is awaited
            self._error = error
        finally:
            self._ended.wake()
            self._call_back()

    @property
    def error(self) -> BaseException | None:
        """What it ended with."""
        self._told = True
        return self._error

    def on_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it has ended, from its own thread or from this one."""
        self._callbacks.append(callback)
        if self.done:
            self._call_back()

    def _call_back(self) -> None:
        while True:
            try:
                callback = self._callbacks.pop()  # atomic: each is called by one thread only
            except IndexError:
                return
            callback()

    @property
    def done(self) -> bool:
        """True once it has ended."""
        return self._ended.woken

    def cancel(self) -> None:
        """Make its current or next wait on a turnout object raise `TaskCancelled`."""
        self.cancelled = True
        waiting = self.waiting
        if waiting is not None:
            waiting.wake()

    def result(self) -> T:
        """Return what it returned, raise what it raised; only once it is done."""
        self._told = True
        if self._error is not None:
            raise self._error
        return self._result

    def __await__(self) -> Generator[Any, None, T]:
        yield from self._ended.__await__()
        return self.result()


class ThreadTask(ThreadWork[T]):
    """Something that runs in a thread of its own."""

    def __init__(self, function: Callable[[], T], name: str | None) -> None:
        thread = threading.Thread(target=self.run, name=name, daemon=True)
        super().__init__(function, thread.name)
        thread.start()


class ThreadTimeout(AbstractAsyncContextManager["ThreadTimeout"]):
    """Ends the waits of its body at a deadline, and nothing that does not wait on turnout."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.due = 0.0

    async def __aenter__(self) -> Self:
        self.due = time.monotonic() + self._seconds
        _deadlines.push(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _deadlines.pop(self)
        if isinstance(error, DeadlinePassed) and error.args[0] is self:
            raise TimeoutError from None


class _Deadlines(threading.local):
    def __init__(self) -> None:
        self._open: list[ThreadTimeout] = []

    def push(self, timeout: ThreadTimeout) -> None:
        self._open.append(timeout)

    def pop(self, timeout: ThreadTimeout) -> None:
        self._open.remove(timeout)

    def nearest(self) -> ThreadTimeout | None:
        return min(self._open, key=lambda timeout: timeout.due, default=None)


_deadlines = _Deadlines()


class ThreadTimer:
    """A call that the timer thread makes."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Make sure it does not run."""
        self.callback = None


class TimerThread:
    """One thread for all timers; started at the first."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, ThreadTimer]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._started = False

    def call_at(self, due: float, callback: Callable[[], object]) -> ThreadTimer:
        """Call `callback` at a time of the monotonic clock."""
        timer = ThreadTimer(callback)
        with self._changed:
            heapq.heappush(self._due, (due, next(self._order), timer))
            self._changed.notify()
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="turnout-timers", daemon=True).start()
        return timer

    def _run(self) -> NoReturn:
        while True:
            callback = self._next().callback
            try:
                if callback is not None:
                    callback()
            except Exception:  # the other timers of the process go on
                log.exception("a timer raised")

    def _next(self) -> ThreadTimer:
        with self._changed:
            while True:
                if not self._due:
                    self._changed.wait()
                elif (left := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    return heapq.heappop(self._due)[2]


class ThreadsRuntime(Runtime):
    """Plain threads: of handlers that run in one beside an event loop, and of threaded servers.

    Sessions do not live in these threads; see `turnout_compat.threads_io`.
    """

    name = "threads"
    _shared: ClassVar[ThreadsRuntime | None] = None

    def __init__(self) -> None:
        self._timers = TimerThread()

    @classmethod
    def shared(cls) -> ThreadsRuntime:
        """Return the one runtime of the process's threads."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def time(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> ThreadTimer:
        """Call `callback` in the timer thread."""
        return self._timers.call_at(time.monotonic() + delay, callback)

    def waiter(self) -> Waiter:
        """Return a fresh waiter."""
        return ThreadWaiter()

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
        """Drive a coroutine in a thread of its own."""
        return ThreadTask(lambda: drive(coroutine), name)

    def spawn_plain(self, function: Callable[[], T], *, name: str | None = None) -> Task[T]:
        """Run a function in a thread of its own."""
        return ThreadTask(function, name)

    def call_inside(self, callback: Callable[[], object]) -> None:
        """Call `callback` now: any thread is inside."""
        callback()

    def call_blocking(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Drive a coroutine in the calling thread."""
        return drive(coroutine)

    async def run_plain(self, function: Callable[[], T], *, name: str) -> T:
        """Call the function: this thread may block."""
        set_current_runtime(self)
        return function()

    @property
    def of_sessions(self) -> Runtime:
        """The event loop of the I/O thread, which begins at its first use."""
        from turnout_compat.threads_io import IoRuntime

        return IoRuntime.shared()

    def host(self, prepared: PreparedHandler) -> Host:
        """Return the host for a handler; it runs in the I/O thread."""
        return self.of_sessions.host(prepared)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a deadline for the waits of its body."""
        return ThreadTimeout(seconds)
