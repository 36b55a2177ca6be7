"""What serving on threads has in common, whatever the server: signals and an orderly end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from turnout.errors import UsageError
from turnout_compat.threads_runtime import ThreadsRuntime

if TYPE_CHECKING:
    from turnout.runtime import Timer

__all__ = ["Asked", "RunningRequests", "cut", "termination"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Asked:
    """Whether a signal has asked to end; `wait` returns when one has."""

    def __init__(self, signals: int) -> None:
        self._signals = signals
        self._was_asked = False

    def ask(self, number: int, frame: object = None) -> None:
        """Ask to end; a second time, raise `KeyboardInterrupt`."""
        if self._was_asked:
            raise KeyboardInterrupt
        self._was_asked = True

    def wait(self) -> None:
        """Return when a signal has come."""
        while not set(SIGNALS).intersection(os.read(self._signals, 4096)):
            continue


@contextmanager
def termination() -> Iterator[Asked]:
    """Let SIGINT and SIGTERM, within its block, only end `asked.wait()`.

    A second signal raises `KeyboardInterrupt`. Raises `UsageError` outside the main thread, which
    no signal reaches.

    Python's C handler writes them to a pipe. A thread that waits for a lock or a queue instead may
    miss one that comes while it is about to: other threads may hold it up there.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "signals end this, and they reach the main thread only: serve there, or mount in a"
            " server that you end yourself"
        )
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    asked = Asked(told)
    outer = signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, asked.ask) for number in SIGNALS
    }
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(outer)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(told)
        os.close(telling)


class RunningRequests:
    """Which connections of a server wait for a request, and which are being answered.

    A connection is named by whatever stands for it. A request has `limit` seconds to arrive.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._waiting: dict[Hashable, tuple[Callable[[], object], Timer | None]] = {}
        self._answering: dict[Hashable, Callable[[], object]] = {}
        self._changed = threading.Condition()
        self.is_finishing = False
        """True when no connection is to wait for another request."""

    def waits(self, connection: Hashable, end: Callable[[], object]) -> None:
        """Note that a connection waits for a request, unless it does; `end` ends it."""
        with self._changed:
            self._answering.pop(connection, None)
            if connection not in self._waiting:
                timer = None
                if self._limit is not None:
                    timer = ThreadsRuntime.shared().call_later(self._limit, end)
                self._waiting[connection] = (end, timer)
            if self.is_finishing:
                end()
            self._changed.notify_all()

    def answers(self, connection: Hashable) -> None:
        """Note that a request has arrived."""
        with self._changed:
            if connection in self._waiting:
                self._answering[connection] = self._stop_waiting(connection)

    def ends(self, connection: Hashable) -> None:
        """Note that a connection ends, before its socket is closed."""
        with self._changed:
            if connection in self._waiting:
                self._stop_waiting(connection)
            self._answering.pop(connection, None)
            self._changed.notify_all()

    def _stop_waiting(self, connection: Hashable) -> Callable[[], object]:
        end, timer = self._waiting.pop(connection)
        if timer is not None:
            timer.cancel()
        return end

    def finish(self, drain: Callable[[], object], limit: float) -> None:
        """End all: idle connections now, sessions by `drain`, requests after `limit` seconds."""
        with self._changed:
            self.is_finishing = True
            for end, _ in self._waiting.values():
                end()
        latest = time.monotonic() + limit
        drain()
        with self._changed:
            if not self._changed.wait_for(self._is_idle, latest - time.monotonic()):
                for end in self._answering.values():
                    end()
                self._changed.wait_for(self._is_idle, limit)

    def _is_idle(self) -> bool:
        return not self._answering


def cut(sock: socket.socket) -> None:
    """Let the thread that reads from a socket see its end, below TLS if there is any."""
    with suppress(OSError):  # the peer was quicker
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
