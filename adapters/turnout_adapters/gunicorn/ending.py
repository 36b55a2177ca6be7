"""Draining at the end of a worker of gunicorn's, for an application that its command line runs.

gunicorn tells an application nothing of the end. But a worker is found by its signal handlers, and
while it runs it calls methods of its own once a second: `notify`, in later versions also while it
ends, and, on threads, `is_parent_alive` behind whatever has happened.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from gunicorn.workers.base import Worker

__all__ = ["WorkerEnd", "running_worker"]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
LOOKS = ("notify", "is_parent_alive")


class WorkerEnd:
    """Calls back when the worker of this process has been told to end, or ends by itself.

    At once for a signal; within a second for any other reason (`max_requests`, a reload).
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._callbacks: list[Callable[[], object]] = []
        for name in LOOKS:
            if hasattr(worker, name):
                setattr(worker, name, self._looking(getattr(worker, name)))
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.getsignal(number) for number in SIGNALS}
            for number in SIGNALS:
                signal.signal(number, self._received)

    @classmethod
    def of_this_process(cls) -> WorkerEnd | None:
        """Return the end of the worker that this process runs; None if it runs none (yet)."""
        owner = _signals_owner()
        if isinstance(owner, Worker):
            return cls(owner)
        return owner if isinstance(owner, cls) else None

    @property
    def worker(self) -> Worker:
        """The worker."""
        return self._worker

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` once, in a signal handler or in the worker's main loop: never block."""
        self._callbacks.append(callback)

    def _received(self, number: int, frame: Any) -> None:
        self._call()
        handler = self._previous[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    def _looking(self, method: Callable[[], Any]) -> Callable[[], Any]:
        def call_and_look() -> Any:
            result = method()
            if not self._worker.alive:
                self._call()
            return result

        return call_and_look

    def _call(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


def running_worker() -> Worker | None:
    """Return the worker that this process runs; None if it runs none (yet)."""
    owner = _signals_owner()
    if isinstance(owner, WorkerEnd):
        return owner.worker
    return owner if isinstance(owner, Worker) else None


def _signals_owner() -> object:
    return getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
