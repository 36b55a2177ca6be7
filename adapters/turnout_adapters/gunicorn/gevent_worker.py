"""gunicorn's `gevent` worker as `serve` runs it: our limits, and an end without waiting."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import gevent
import gevent.event
from gevent import socket
from gevent.monkey import get_original
from gevent.pool import Pool
from greenlet import getcurrent
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import GeventWorker

from turnout_adapters.gunicorn.server import ServingWorker
from turnout_compat.gevent_servers import PatientStreamServer, RunningRequests
from turnout_compat.gevent_waiting import GeventTimer

if TYPE_CHECKING:
    from greenlet import greenlet

    from turnout_adapters.gunicorn.gevent import GunicornGeventApplication

__all__ = ["ServingGeventWorker"]

bare_socket = get_original("socket", "socket")
NO_ERROR = cast("None", False)  # None would have gevent raise the timeout itself


class ServingGeventWorker(ServingWorker, GeventWorker):
    """A worker that gives a request `handshake_timeout`, and drains when it is told to end."""

    wsgi: Any
    _asked: gevent.event.Event | None = None  # made in the worker, when gevent has patched it

    def run(self) -> None:
        """Serve until the end."""
        self._asked = asked = gevent.event.Event()
        self._requests = RunningRequests()
        self._limits: dict[greenlet, GeventTimer | None] = {}
        servers = [self._server(listener) for listener in self.sockets]
        for server in servers:
            server.start()
        self.tell_ready()
        while self.alive:
            self.notify()
            asked.wait(1.0)
        for server in servers:
            server.close()
        self._finish()

    def patch(self) -> None:
        """Have gevent patch the standard library, and give it the listening sockets."""
        replaced = [cast("Any", listener).sock for listener in self.sockets]
        super().patch()
        for listener in replaced:
            listener.detach()  # old gunicorns keep two sockets on one descriptor

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to end, at once."""
        super().handle_exit(sig, frame)
        if self._asked is not None:
            self._asked.set()

    @property
    def turnout(self) -> GunicornGeventApplication:
        """The application, by what it is."""
        return cast("GunicornGeventApplication", self.wsgi)

    def _server(self, listener: Any) -> PatientStreamServer:
        listener.setblocking(1)
        tls: dict[str, Any] = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        pool = Pool(self.cfg.worker_connections)
        server = PatientStreamServer(listener, partial(self.handle, listener), spawn=pool, **tls)
        server.head_timeout = self.turnout.service.registry.options.handshake_timeout
        if self.cfg.workers > 1:
            server.max_accept = 1
        return server

    def _finish(self) -> None:
        beating = gevent.spawn(self._beat)
        limit = self.turnout.service.registry.options.close_timeout
        self._requests.finish(self.turnout.drain, limit)
        beating.kill()
        self.turnout.runtime.close()

    def _beat(self) -> None:
        while True:  # else the arbiter would take this worker for dead
            self.notify()
            gevent.sleep(1.0)

    # One connection

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve a connection; the first request has `handshake_timeout` to arrive."""
        timeout = self.turnout.service.registry.options.handshake_timeout
        hub, cut = self.turnout.runtime.hub, partial(_cut, client)
        timer = None if timeout is None else GeventTimer(hub, timeout, cut)
        self._limits[getcurrent()] = timer
        self._requests.waits(cut)
        try:
            super().handle(listener, client, addr)
        finally:
            self._stop_limit()
            self._requests.ends()

    def timeout_ctx(self) -> Any:
        """Return how long gunicorn waits for the next request; the first has its own limit."""
        seconds = None if getcurrent() in self._limits else self.cfg.keepalive
        return gevent.Timeout(seconds, NO_ERROR)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer one request; when the worker ends, it is the connection's last."""
        self._stop_limit()
        self._requests.answers()
        handled = super().handle_request(listener_name, req, sock, addr)
        if not self.alive:
            raise StopIteration
        self._requests.waits(partial(_cut, sock))
        return handled

    def _stop_limit(self) -> None:
        limit = self._limits.pop(getcurrent(), None)
        if limit is not None:
            limit.cancel()


def _cut(client: Any) -> None:
    """Let the greenlet that reads from a socket see its end, below TLS if there is any.

    gevent's own `shutdown` would raise an error in that greenlet.
    """
    with bare_socket(fileno=os.dup(client.fileno())) as bare, contextlib.suppress(OSError):
        bare.shutdown(socket.SHUT_RDWR)
