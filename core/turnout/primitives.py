"""Sleep, timeouts, tasks, locks, events and queues that work on every runtime.

A portable handler uses these instead of asyncio's or gevent's. Plain `def` handlers find the same
in `turnout.blocking`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from turnout.errors import UsageError
from turnout.runtime import Task, Waiter, current_runtime

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Event", "Lock", "Queue", "TaskGroup", "sleep", "spawn", "timeout"]

T = TypeVar("T")


async def sleep(seconds: float) -> None:
    """Wait for a time, while others run."""
    runtime = current_runtime()
    waiter = runtime.waiter()
    timer = runtime.call_later(seconds, waiter.wake)
    try:
        await waiter
    finally:
        timer.cancel()


def timeout(seconds: float) -> AbstractAsyncContextManager[object]:
    """Return a context manager that ends its body with `TimeoutError` after `seconds`.

    On a worker thread it ends waits on turnout's objects only.
    """
    return current_runtime().timeout(seconds)


def spawn(target: Coroutine[Any, Any, T] | Callable[[], T], *, name: str | None = None) -> Task[T]:
    """Run a coroutine, or a plain function that may block, beside the caller.

    Await the task for its result, or use a `TaskGroup`, which waits for all of its tasks.
    """
    runtime = current_runtime()
    if isinstance(target, Coroutine):
        return runtime.spawn(target, name=name)
    return runtime.spawn_plain(target, name=name)


class TaskGroup:
    """Tasks that end together: leaving the block waits for all, an error cancels the others.

    Raises an `ExceptionGroup` of what they raised, be it one error; an error of the block itself is
    raised as it is.
    """

    def __init__(self) -> None:
        self._tasks: list[Task[Any]] = []

    def spawn(
        self, target: Coroutine[Any, Any, T] | Callable[[], T], *, name: str | None = None
    ) -> Task[T]:
        """Run a coroutine or a plain function inside the group."""
        task = spawn(target, name=name)
        self._tasks.append(task)
        task.on_done(lambda: self._look_at(task))
        return task

    def _look_at(self, task: Task[Any]) -> None:
        if isinstance(task.error, Exception):
            self._cancel()

    def _cancel(self) -> None:
        for task in self._tasks:
            if not task.done:
                task.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._cancel()
        try:
            await self._all_finished()
        except BaseException:  # cancelled: so are they, and their ends are still waited for
            self._cancel()
            await self._all_finished()
            raise
        errors = [task.error for task in self._tasks if isinstance(task.error, Exception)]
        if error is None and errors:
            raise ExceptionGroup("tasks of a group failed", errors)

    async def _all_finished(self) -> None:
        for task in self._tasks:
            await finished(task)


async def finished(task: Task[Any]) -> None:
    """Return when a task has ended, however it did."""
    waiter = current_runtime().waiter()
    task.on_done(waiter.wake)
    await waiter


class Event:
    """Something that happens once, and that many can wait for."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: deque[Waiter] = deque()

    @property
    def is_set(self) -> bool:
        """True after `set`."""
        return self._set

    def set(self) -> None:
        """Let everyone go on who waits, and who will."""
        self._set = True
        while (waiter := _first(self._waiting)) is not None:
            waiter.wake()

    async def wait(self) -> None:
        """Return once it is set."""
        waiter = current_runtime().waiter()
        self._waiting.append(waiter)
        try:
            if not self._set:  # looked at after the waiter can be seen: another thread may be quick
                await waiter
        finally:
            _drop(self._waiting, waiter)


class _Tokens:
    """So many of something, handed out in the order of asking.

    A free token and one who waits for it are brought together by whoever adds the later of the
    two; each step is atomic on threads too, and what was taken in vain is put back and looked at
    again.
    """

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free: deque[None] = deque([None] * count)
        self._waiting: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._free)

    def take_nowait(self) -> bool:
        """Take one if there is one."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    async def take(self) -> None:
        """Take one, waiting for it behind those who wait already."""
        if not self._waiting and self.take_nowait():
            return
        waiter = current_runtime().waiter()
        self._waiting.append(waiter)
        self._match()
        try:
            await waiter
        except BaseException:
            if not _drop(self._waiting, waiter):  # it was handed over already: pass it on
                self.give()
            raise

    def give(self) -> None:
        """Give one back, to the first who waits."""
        self._free.append(None)
        self._match()

    def _match(self) -> None:
        while self._free and self._waiting:
            if not self.take_nowait():
                return
            waiter = _first(self._waiting)
            if waiter is None:
                self._free.append(None)
            else:
                waiter.wake()


def _first(waiting: deque[Waiter]) -> Waiter | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _drop(waiting: deque[Waiter], waiter: Waiter) -> bool:
    """Forget one who waits; false when he had his turn."""
    try:
        waiting.remove(waiter)
    except ValueError:
        return False
    return True


class Lock:
    """Mutual exclusion, in the order of asking: `async with lock:`."""

    def __init__(self) -> None:
        self._token = _Tokens(1)

    @property
    def locked(self) -> bool:
        """True while somebody holds it."""
        return not self._token

    async def acquire(self) -> None:
        """Wait for it."""
        await self._token.take()

    def release(self) -> None:
        """Give it back; raise `UsageError` when nobody holds it."""
        if self._token:
            raise UsageError("the lock is not held")
        self._token.give()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.release()


class Queue(Generic[T]):
    """A bounded queue, first in, first out; `maxsize` None means unbounded."""

    def __init__(self, maxsize: int | None) -> None:
        if maxsize is not None and maxsize < 1:
            raise UsageError(f"a queue holds at least 1 item, not {maxsize}")
        self._room = None if maxsize is None else _Tokens(maxsize)
        self._items: deque[T] = deque()
        self._ready = _Tokens(0)

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._items)

    @property
    def full(self) -> bool:
        """True when `put` would wait."""
        return self._room is not None and not self._room

    def put_nowait(self, item: T) -> bool:
        """Add an item, if there is room; tell whether there was."""
        if self._room is not None and not self._room.take_nowait():
            return False
        self._add(item)
        return True

    async def put(self, item: T) -> None:
        """Add an item, waiting for room."""
        if self._room is not None:
            await self._room.take()
        self._add(item)

    def _add(self, item: T) -> None:
        self._items.append(item)
        self._ready.give()

    async def get(self) -> T:
        """Return the oldest item, waiting for one."""
        await self._ready.take()
        item = self._items.popleft()
        if self._room is not None:
            self._room.give()
        return item
