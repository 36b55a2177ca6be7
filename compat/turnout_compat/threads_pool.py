"""A pool of threads that grows as it is needed, and that holds no process by a stuck handler."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeAlias, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")
Work: TypeAlias = Callable[[], None]
Seat: TypeAlias = "queue.SimpleQueue[Work | None]"
"""Where one thread waits: for what it is to do, or None for its end."""

IDLE = 10.0
"""Seconds for which a thread waits for work before it ends: the pool shrinks behind a crowd."""


class DaemonThreads(Executor):
    """At most `limit` threads, each begun when none is idle; what comes beyond that waits.

    Work goes to the thread that was busy last, so that those which a crowd has left behind find
    nothing to do, and one that found nothing for `idle` seconds ends. Unlike those of
    `concurrent.futures`, threads are not joined when the process ends.
    """

    def __init__(self, limit: int, idle: float = IDLE) -> None:
        self.limit = limit
        self._patience = idle
        self._lock = threading.Lock()
        self._queue: deque[Work] = deque()
        self._idle: list[Seat] = []
        self._threads = 0
        self._begun = 0
        self._is_ending = False

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call `function`."""
        future: Future[T] = Future()
        work = partial(_run, future, partial(function, *args, **kwargs))
        with self._lock:
            if self._idle:
                self._idle.pop().put(work)
            elif self._threads < self.limit:
                self._begin(work)
            else:
                self._queue.append(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end when it is idle; none is waited for."""
        with self._lock:
            self._is_ending = True
            while self._idle:
                self._dismiss(self._idle[-1])

    def _begin(self, work: Work) -> None:
        self._begun += 1
        name = f"turnout-thread-{self._begun}"
        threading.Thread(target=self._serve, args=(work,), name=name, daemon=True).start()
        self._threads += 1

    def _serve(self, work: Work | None) -> None:
        seat: Seat = queue.SimpleQueue()
        while work is not None:
            work()
            work = None  # it holds a connection
            work = self._next(seat)

    def _next(self, seat: Seat) -> Work | None:
        """Return what is to be done next; None for a thread that is to end, and is not counted."""
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._idle.append(seat)
            if self._is_ending:
                self._dismiss(seat)
        try:
            return seat.get(timeout=self._patience)
        except queue.Empty:
            with self._lock:
                if seat in self._idle:  # else it was given work just now
                    self._dismiss(seat)
            return seat.get()

    def _dismiss(self, seat: Seat) -> None:
        self._idle.remove(seat)
        self._threads -= 1
        seat.put(None)


def _run(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # handed on to whoever asks for the result
        future.set_exception(error)
