"""Noticing that the client of a plain HTTP request has gone, without reading what it sent."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gevent.monkey import get_original

if TYPE_CHECKING:
    import gevent.hub

__all__ = ["HangupWatch"]

READ = 1  # libev's event mask


class HangupWatch:
    """Calls `on_hangup` once, in the hub, when the peer of a socket has sent its end of stream.

    On Linux the kernel tells so by EPOLLRDHUP, whatever lies unread before it. Elsewhere a peek
    tells, unless there is something to peek at, such as a pipelined request: then the end is
    noticed only once that was read.
    """

    def __init__(self, sock: Any, hub: gevent.hub.Hub, on_hangup: Callable[[], object]) -> None:
        self.has_fired = False
        self._on_hangup = on_hangup
        self._poller = _poller(sock)
        self._peeking: Any = None if self._poller is not None else _duplicate(sock)
        watched: Any = self._poller if self._peeking is None else self._peeking
        self._watcher = hub.loop.io(watched.fileno(), READ)
        self._watcher.start(self._look)
        self._look()

    def _look(self) -> None:
        if self.has_fired:
            return
        gone = self._peek() if self._poller is None else bool(self._poller.poll(0))
        if gone:
            self.has_fired = True
            self._watcher.stop()
            self._on_hangup()

    def _peek(self) -> bool:
        try:
            data = self._peeking.recv(1, get_original("socket", "MSG_PEEK"))
        except BlockingIOError:
            return False
        except OSError:
            return True
        if data:
            self._watcher.stop()  # readable from now on: the hub would call without end
        return not data

    def close(self) -> None:
        """Watch no more."""
        self._watcher.stop()
        self._watcher.close()
        for opened in (self._poller, self._peeking):
            if opened is not None:
                opened.close()


def _poller(sock: Any) -> Any:
    """Return an epoll object that is ready when the peer hangs up; None where there is no epoll.

    Monkey patching removes `select.epoll`, as waiting on one would block every greenlet; here the
    hub waits for it.
    """
    with contextlib.suppress(AttributeError):
        poller = get_original("select", "epoll")()
        poller.register(sock.fileno(), select.EPOLLRDHUP)
        return poller
    return None


def _duplicate(sock: Any) -> Any:
    """Return the bare socket below a gevent socket, TLS or not, to peek at its raw bytes."""
    duplicate = get_original("socket", "socket")(fileno=os.dup(sock.fileno()))
    duplicate.setblocking(False)
    return duplicate
