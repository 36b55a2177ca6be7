"""Noticing that the client of a plain HTTP request has gone, without reading what it sent."""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["HangupWatch"]


class HangupWatch(ABC):
    """Calls `on_hangup` once, in its loop, when the peer of a socket has sent its end of stream.

    On Linux the kernel tells so by EPOLLRDHUP, whatever lies unread before it. Elsewhere a peek
    tells, unless there is something to peek at, such as a pipelined request: then the end is
    noticed only once that was read.
    """

    make_epoll: ClassVar[Any] = getattr(select, "epoll", None)
    make_socket: ClassVar[Any] = socket.socket

    def __init__(self, sock: Any, on_hangup: Callable[[], object]) -> None:
        self.has_fired = False
        self._on_hangup = on_hangup
        self._poller = self._poll(sock)
        self._peeking: Any = None if self._poller is not None else self._duplicate(sock)
        watched: Any = self._poller if self._peeking is None else self._peeking
        self._watch(watched.fileno())
        self._look()

    @abstractmethod
    def _watch(self, descriptor: int) -> None:
        """Call `_look` in the loop whenever a file descriptor is readable."""

    @abstractmethod
    def _unwatch(self) -> None:
        """Call it no more; harmless when repeated."""

    def _look(self) -> None:
        if self.has_fired:
            return
        gone = self._peek() if self._poller is None else bool(self._poller.poll(0))
        if gone:
            self.has_fired = True
            self._unwatch()
            self._on_hangup()

    def _peek(self) -> bool:
        try:
            data = self._peeking.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if data:
            self._unwatch()  # readable from now on: the loop would call without end
        return not data

    def close(self) -> None:
        """Watch no more."""
        self._unwatch()
        for opened in (self._poller, self._peeking):
            if opened is not None:
                opened.close()

    @classmethod
    def _poll(cls, sock: Any) -> Any:
        """Return an epoll object that is ready when the peer hangs up; None if there is none."""
        if cls.make_epoll is None:
            return None
        poller = cls.make_epoll()
        poller.register(sock.fileno(), select.EPOLLRDHUP)
        return poller

    @classmethod
    def _duplicate(cls, sock: Any) -> Any:
        """Return the bare socket below one of whatever kind, to peek at its raw bytes."""
        duplicate = cls.make_socket(fileno=os.dup(sock.fileno()))
        duplicate.setblocking(False)
        return duplicate
