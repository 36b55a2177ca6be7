"""A pool of threads that grows as it is needed, and that holds no process by a stuck handler."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")


IDLE = 10.0
"""Seconds for which a thread waits for work before it ends: the pool shrinks behind a crowd."""


class DaemonThreads(Executor):
    """At most `limit` threads, each begun when none is idle; what comes beyond that waits.

    A thread ends when there was nothing to do for `idle` seconds. Unlike those of
    `concurrent.futures`, threads are not joined when the process ends.
    """

    def __init__(self, limit: int, idle: float = IDLE) -> None:
        self.limit = limit
        self._patience = idle
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._threads = 0
        self._waiting = 0
        self._begun = 0
        self._is_ending = False

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call `function`."""
        future: Future[T] = Future()
        with self._changed:
            self._work.append(partial(_run, future, partial(function, *args, **kwargs)))
            # Those who wait count until they are awake again: each will look for work then.
            if len(self._work) > self._waiting and self._threads < self.limit:
                self._begin()
            else:
                self._changed.notify()
        return future

    def _begin(self) -> None:
        self._threads += 1
        self._begun += 1
        name = f"turnout-thread-{self._begun}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # it holds a connection

    def _next(self) -> Callable[[], None] | None:
        """Wait for work; None for a thread that is to end, which is counted no more."""
        with self._changed:
            while not self._work:
                self._waiting += 1
                is_awaited = not self._is_ending and self._changed.wait(self._patience)
                self._waiting -= 1
                if not self._work and not is_awaited:
                    self._threads -= 1
                    return None
            return self._work.popleft()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end when it is idle; none is waited for."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()


def _run(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # handed on to whoever asks for the result
        future.set_exception(error)
