"""What serving on threads has in common, whatever the server: the signals that end it."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from turnout.errors import UsageError

__all__ = ["Asked", "termination"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Asked:
    """Whether a signal has asked to end; `wait` returns when one has."""

    def __init__(self) -> None:
        # Its `put` may interrupt its `get`; that of a lock or an event would wait for itself.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._was_asked = False

    def ask(self, number: int, frame: object = None) -> None:
        """Ask to end; a second time, raise `KeyboardInterrupt`."""
        if self._was_asked:
            raise KeyboardInterrupt
        self._was_asked = True
        self._signals.put(number)

    def wait(self) -> None:
        """Return when a signal has come."""
        self._signals.get()


@contextmanager
def termination() -> Iterator[Asked]:
    """Let SIGINT and SIGTERM, within its block, only end `asked.wait()`.

    A second signal raises `KeyboardInterrupt`. Raises `UsageError` outside the main thread, which
    no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "signals end this, and they reach the main thread only: serve there, or mount in a"
            " server that you end yourself"
        )
    asked = Asked()
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, asked.ask) for number in SIGNALS
    }
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
