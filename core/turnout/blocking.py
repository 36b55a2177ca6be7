"""What `turnout` offers coroutines, for plain `def` handlers: every call blocks until it is done.

On asyncio engines a plain handler runs in a thread, on gevent in a greenlet; these block only that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Self, TypeVar

from turnout import primitives
from turnout.primitives import finished
from turnout.runtime import Task, current_caller, current_runtime

__all__ = ["BlockingTask", "Event", "Lock", "Queue", "join", "sleep", "spawn", "timeout"]

T = TypeVar("T")


def sleep(seconds: float) -> None:
    """Wait for a time, while others run."""
    current_caller()(primitives.sleep(seconds))


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """End the body with `TimeoutError` after `seconds`; see `turnout.timeout`."""
    call = current_caller()
    scope: Any = current_runtime().timeout(seconds)
    call(scope.__aenter__())
    try:
        yield
    except BaseException as error:
        if not call(scope.__aexit__(type(error), error, error.__traceback__)):
            raise
    else:
        call(scope.__aexit__(None, None, None))


class BlockingTask(Generic[T]):
    """A function that runs beside the caller."""

    def __init__(self, task: Task[T]) -> None:
        self._task = task

    @property
    def done(self) -> bool:
        """True once it has ended."""
        return self._task.done

    def cancel(self) -> None:
        """Ask it to end at its next wait."""
        self._task.cancel()

    def result(self) -> T:
        """Wait for its end; return its result or raise its error."""
        return current_caller()(_await(self._task))


async def _await(task: Task[T]) -> T:
    return await task


def spawn(function: Callable[[], T], *, name: str | None = None) -> BlockingTask[T]:
    """Run a plain function beside the caller."""
    return BlockingTask(current_runtime().spawn_plain(function, name=name))


def join(inbound: Callable[[], object], outbound: Callable[[], object]) -> None:
    """Run two functions beside each other until either ends, then cancel the other.

    Raises what the first to end raised. Returns when both have ended: on a thread, the other ends
    at its next wait on a session or another object of turnout.
    """
    runtime = current_runtime()
    call = current_caller()
    ended = runtime.waiter()
    order: list[int] = []

    def run(index: int, function: Callable[[], object]) -> None:
        try:
            function()
        finally:
            order.append(index)
            ended.wake()

    functions = (inbound, outbound)
    tasks = [
        runtime.spawn_plain(lambda i=index, f=function: run(i, f))  # type: ignore[misc]  # bound now
        for index, function in enumerate(functions)
    ]
    try:
        call(_wait(ended))
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            call(finished(task))
    call(_await(tasks[order[0]]))


async def _wait(waiter: Any) -> None:
    await waiter


class Event:
    """Something that happens once, and that many can wait for."""

    def __init__(self) -> None:
        self._event = primitives.Event()

    @property
    def is_set(self) -> bool:
        """True after `set`."""
        return self._event.is_set

    def set(self) -> None:
        """Let everyone go on who waits, and who will."""
        self._event.set()

    def wait(self) -> None:
        """Return once it is set."""
        current_caller()(self._event.wait())


class Lock:
    """Mutual exclusion, in the order of asking: `with lock:`."""

    def __init__(self) -> None:
        self._lock = primitives.Lock()

    @property
    def locked(self) -> bool:
        """True while somebody holds it."""
        return self._lock.locked

    def acquire(self) -> None:
        """Wait for it."""
        current_caller()(self._lock.acquire())

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


class Queue(Generic[T]):
    """A bounded queue, first in, first out; `maxsize` None means unbounded."""

    def __init__(self, maxsize: int | None) -> None:
        self._queue: primitives.Queue[T] = primitives.Queue(maxsize)

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._queue)

    def put(self, item: T) -> None:
        """Add an item, waiting for room."""
        current_caller()(self._queue.put(item))

    def get(self) -> T:
        """Return the oldest item, waiting for one."""
        return current_caller()(self._queue.get())
