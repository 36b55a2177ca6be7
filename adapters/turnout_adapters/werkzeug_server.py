"""Serving on Werkzeug's server: listening, signals, the time a request may take, an orderly end."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from turnout.handshake.redaction import redact
from turnout_adapters.threaded_wsgi import ConnectionIsOver
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.listening import address_of_socket, listening
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_serving import termination

if TYPE_CHECKING:
    from turnout.runtime import Timer
    from turnout.serving import ServerSettings
    from turnout_adapters.werkzeug import WerkzeugApplication

__all__ = ["serve"]

log = logging.getLogger("turnout.werkzeug")
access_log = logging.getLogger("turnout.werkzeug.access")

CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}


def serve(
    application: WerkzeugApplication, settings: ServerSettings, native: dict[str, Any]
) -> None:
    """Serve an application until SIGINT or SIGTERM, drain it, and return.

    Raises `OSError` when the address cannot be had, `ConfigurationError` for bad TLS files.
    """
    tls = tls_context(settings)
    with listening(settings) as sockets, termination() as asked:
        server = PatientServer(application, native, tls)
        for one in sockets:
            server.listen_on(one)
        try:
            settings.announce(address_of_socket(sockets[0]))
            asked.wait()
            server.drain()
        finally:
            server.close()
            IoRuntime.shared().stop()


class PatientServer:
    """Werkzeug's server on several sockets, which knows what its connections are doing."""

    def __init__(
        self, application: WerkzeugApplication, native: dict[str, Any], tls: ssl.SSLContext | None
    ) -> None:
        self.application = application
        self.tls = tls
        self.is_stopping = False
        self.books = Books()
        base = native.get("request_handler", WSGIRequestHandler)
        self.handler_class = type(base.__name__, (TimedHandler, base), {})
        self.passthrough_errors = bool(native.get("passthrough_errors"))
        self._accepting: list[tuple[Acceptor, threading.Thread]] = []

    @property
    def close_timeout(self) -> float:
        """Seconds for requests to end."""
        return self.application.service.registry.options.close_timeout

    def listen_on(self, listener: socket.socket) -> None:
        """Accept connections of a bound socket, in a thread."""
        acceptor = Acceptor(self, listener)
        thread = threading.Thread(
            target=acceptor.serve_forever, args=(0.05,), name="turnout-accept", daemon=True
        )
        thread.start()
        self._accepting.append((acceptor, thread))

    def drain(self) -> None:
        """Stop accepting, drain the sessions, let running requests end, then cut the rest."""
        self.close()
        self.is_stopping = True
        self.books.cut_waiting()
        latest = time.monotonic() + self.close_timeout
        self.application.drain()
        if not self.books.wait_until_empty(latest - time.monotonic()):
            self.books.cut_all()
            self.books.wait_until_empty(self.close_timeout)

    def close(self) -> None:
        """Accept no more; harmless when repeated."""
        for acceptor, thread in self._accepting:
            acceptor.shutdown()
            thread.join()
        self._accepting.clear()


class Books:
    """The open connections, and which of them still wait for their request."""

    def __init__(self) -> None:
        self._open: set[socket.socket] = set()
        self._waiting: set[socket.socket] = set()
        self._changed = threading.Condition()

    def began(self, sock: socket.socket) -> None:
        """Note a connection."""
        with self._changed:
            self._open.add(sock)
            self._waiting.add(sock)

    def has_request(self, sock: socket.socket) -> None:
        """Note that its request has arrived."""
        with self._changed:
            self._waiting.discard(sock)

    def ended(self, sock: socket.socket) -> None:
        """Forget a connection."""
        with self._changed:
            self._waiting.discard(sock)
            self._open.discard(sock)
            self._changed.notify_all()

    def cut_waiting(self) -> None:
        """Cut those that wait for a request."""
        with self._changed:
            _cut(self._waiting)

    def cut_all(self) -> None:
        """Cut every connection."""
        with self._changed:
            _cut(self._open)

    def wait_until_empty(self, seconds: float) -> bool:
        """Return true when all have ended, false when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, max(0.0, seconds))


def _cut(sockets: set[socket.socket]) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):  # the peer was quicker
            # Of the bare socket: a handshake of TLS may be under way in its thread.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Acceptor(ThreadedWSGIServer):
    """Werkzeug's server on one bound socket; each connection has a thread."""

    def __init__(self, patient: PatientServer, listener: socket.socket) -> None:
        self.patient = patient
        name = listener.getsockname()
        host, port = (f"unix://{name}", 0) if isinstance(name, str) else (name[0], name[1])
        super().__init__(
            host,
            port,
            patient.application,
            patient.handler_class,
            passthrough_errors=patient.passthrough_errors,
            fd=listener.fileno(),
        )
        self.ssl_context = patient.tls  # not above: Werkzeug shakes hands where it accepts

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the request of one connection, in its thread."""
        if self.ssl_context is not None:
            try:
                request = self.ssl_context.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
            except OSError:  # the peer has gone
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a request, and know meanwhile that there is one."""
        self.patient.books.began(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.patient.books.ended(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what Werkzeug would print."""
        # Called inside an exception handler.
        log.error("serving %s failed", client_address, exc_info=sys.exception())


class TimedHandler(WSGIRequestHandler):
    """A handler that waits for a request only so long, and logs no secrets."""

    connection: Any
    server: Acceptor
    _timer: Timer | None = None

    def handle(self) -> None:
        """Read and answer a request; end the connection when it does not come."""
        service = self.server.patient.application.service
        limit = service.registry.options.handshake_timeout
        if limit is not None:
            self._timer = service.runtime.call_later(limit, self._cut)
        try:
            if self._has_shaken_hands():
                super().handle()
        finally:
            self._arrived()

    def _has_shaken_hands(self) -> bool:
        if isinstance(self.connection, ssl.SSLSocket):
            try:
                self.connection.do_handshake()
            except OSError as error:
                log.debug("no TLS with %s: %s", self.client_address, error)
                return False
        return True

    def _cut(self) -> None:
        _cut({self.connection})

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def make_environ(self) -> dict[str, Any]:
        """Return the environ; the request has arrived."""
        self._arrived()
        self.server.patient.books.has_request(self.connection)
        return super().make_environ()

    def connection_dropped(
        self, error: BaseException, environ: dict[str, Any] | None = None
    ) -> None:
        """Log a session whose end the server was not to write anything for."""
        if isinstance(error, ConnectionIsOver) and error.status is not None:
            self.log_request(error.status)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log one request, with the values of query parameters hidden."""
        line = getattr(self, "requestline", "").translate(CONTROL_CHARACTERS)
        access_log.info(
            '%s - - [%s] "%s" %s %s',
            self.address_string(),
            self.log_date_time_string(),
            redact(line),
            getattr(code, "value", code),
            size,
        )

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # Werkzeug's name
        """Log something else."""
        text = message % args if args else message
        log.log(LEVELS.get(type, logging.INFO), "%s: %s", self.client_address, text)
