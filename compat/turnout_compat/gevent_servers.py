"""What gevent's servers lack: time limits on TLS handshakes, and an end for running requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import gevent
import gevent.event
from gevent.server import StreamServer
from greenlet import getcurrent

if TYPE_CHECKING:
    from greenlet import greenlet

__all__ = ["PatientStreamServer", "RunningRequests"]

log = logging.getLogger("turnout.gevent")


class PatientStreamServer(StreamServer):
    """A server that gives a TLS handshake `head_timeout` seconds, and is quiet about bad ones."""

    head_timeout: float | None = None

    def shake_hands(self, client_socket: Any) -> Any:
        """Return a socket that speaks TLS."""
        return cast("Any", self).wrap_socket(client_socket, **(self.ssl_args or {}))

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        """Shake hands for TLS within the time of a request; a peer that cannot is let go."""
        try:
            # An OSError, as gevent's TLS socket closes itself for those only.
            with gevent.Timeout(self.head_timeout, TimeoutError):
                tls_socket = self.shake_hands(client_socket)
        except OSError as error:
            log.debug("no TLS with %s: %s", address, error)
            return None
        with tls_socket:
            return self.handle(tls_socket, address)


class RunningRequests:
    """Which greenlets of a server wait for a request, and which are answering one."""

    def __init__(self) -> None:
        self._waiting: dict[greenlet, Callable[[], object]] = {}
        self._answering: set[greenlet] = set()
        self._all_answered = gevent.event.Event()

    def waits(self, cut: Callable[[], object]) -> None:
        """Note that this greenlet waits for a request; `cut` ends its connection."""
        self._answered()
        self._waiting[getcurrent()] = cut

    def answers(self) -> None:
        """Note that a request has arrived in this greenlet."""
        current = getcurrent()
        self._waiting.pop(current, None)
        self._answering.add(current)

    def ends(self) -> None:
        """Note that this greenlet's connection ends."""
        self._waiting.pop(getcurrent(), None)
        self._answered()

    def finish(self, drain: Callable[[], object], limit: float) -> None:
        """End all: idle connections now, sessions by `drain`, requests after `limit` seconds."""
        for cut in list(self._waiting.values()):
            cut()
        latest = time.monotonic() + limit
        drain()
        self._wait(latest - time.monotonic())
        gevent.killall(list(self._answering), block=False)
        self._wait(limit)

    def _answered(self) -> None:
        self._answering.discard(getcurrent())
        if not self._answering:
            self._all_answered.set()

    def _wait(self, seconds: float) -> None:
        with suppress(TooLate), gevent.Timeout(max(0.0, seconds), TooLate):
            while self._answering:
                self._all_answered.clear()
                self._all_answered.wait()


class TooLate(BaseException):
    """Requests are still being answered."""
