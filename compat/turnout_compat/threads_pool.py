"""A pool of threads that grows as it is needed, and that holds no process by a stuck handler."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")


class DaemonThreads(Executor):
    """At most `limit` threads, each begun when none is idle; what comes beyond that waits.

    Unlike those of `concurrent.futures`, they are not joined when the process ends.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call `function`."""
        future: Future[T] = Future()
        self._work.put(partial(_run, future, partial(function, *args, **kwargs)))
        with self._changing:
            if self._idle:
                self._idle -= 1  # a thread that waits, or is about to, takes it
            elif self._threads < self.limit:
                self._threads += 1
                name = f"turnout-thread-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def _serve(self) -> None:
        work = self._work.get()
        while work is not None:
            work()
            del work  # it holds a connection
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                with self._changing:
                    self._idle += 1
                work = self._work.get()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end when it is idle; none is waited for."""
        with self._changing:
            for _ in range(self._threads):
                self._work.put(None)


def _run(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # handed on to whoever asks for the result
        future.set_exception(error)
