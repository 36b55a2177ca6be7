"""Serving on Werkzeug's server: listening, signals, the time a request may take, an orderly end."""

from __future__ import annotations

import io
import logging
import socket
import ssl
import sys
import threading
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from turnout.handshake.redaction import redact
from turnout_adapters.threaded_wsgi import ConnectionIsOver
from turnout_adapters.werkzeug import READER
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.http_head import CheckedLines
from turnout_compat.listening import address_of_socket, listening
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_serving import RunningRequests, cut, termination

if TYPE_CHECKING:
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
        address = address_of_socket(sockets[0])
        for one in sockets:
            server.listen_on(one)
        try:
            settings.announce(address)
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
        self._options = application.service.registry.options
        self.requests = RunningRequests(self._options.handshake_timeout)
        base = native.get("request_handler", WSGIRequestHandler)
        self.handler_class = type(base.__name__, (TimedHandler, base), {})
        self.passthrough_errors = bool(native.get("passthrough_errors"))
        self._accepting: list[tuple[Acceptor, threading.Thread]] = []

    def listen_on(self, listener: socket.socket) -> None:
        """Accept connections of a bound socket, in a thread."""
        acceptor = Acceptor(self, listener)
        listener.close()  # it has a duplicate, and is not to accept when that one is closed
        thread = threading.Thread(
            target=acceptor.serve_forever, args=(0.05,), name="turnout-accept", daemon=True
        )
        thread.start()
        self._accepting.append((acceptor, thread))

    def drain(self) -> None:
        """Stop accepting, drain the sessions, let running requests end, then cut the rest."""
        self.close()
        self.requests.finish(self.application.drain, self._options.close_timeout)

    def close(self) -> None:
        """Accept no more; harmless when repeated."""
        for acceptor, thread in self._accepting:
            acceptor.shutdown()
            thread.join()
        self._accepting.clear()


class BodyReader(io.RawIOBase):
    """Reads from a connection as far as the body of a request goes; `left` is what is left."""

    def __init__(self, source: Any, length: str | None) -> None:
        self.source = source
        self.left = int(length) if length is not None and length.isdecimal() else 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, up to the size of the buffer."""
        data = self.source.read1(min(len(buffer), self.left)) if self.left else b""
        self.left = self.left - len(data) if data else 0
        buffer[: len(data)] = data
        return len(data)


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
        """Answer the requests of a connection, and know meanwhile that there is one."""
        self.patient.requests.waits(request, partial(cut, request))
        try:
            super().finish_request(request, client_address)
        finally:
            self.patient.requests.ends(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what Werkzeug would print."""
        # Called inside an exception handler.
        log.error("serving %s failed", client_address, exc_info=sys.exception())


class TimedHandler(WSGIRequestHandler):
    """A handler that waits for a request only so long, and keeps connections alive.

    Werkzeug ends a connection after each response, since it would read the next request for what
    is left of the body. Here the reader ends with the body; where that was not read, or its length
    is not known, the connection does end.
    """

    connection: Any
    rfile: Any
    _body: BodyReader | None = None

    @property
    def patient(self) -> PatientServer:
        """The server, by what it is."""
        return cast("Acceptor", self.server).patient

    def handle(self) -> None:
        """Answer requests until the connection ends."""
        if self._has_shaken_hands():
            super().handle()

    def _has_shaken_hands(self) -> bool:
        if isinstance(self.connection, ssl.SSLSocket):
            try:
                self.connection.do_handshake()
            except OSError as error:
                log.debug("no TLS with %s: %s", self.client_address, error)
                return False
        return True

    def handle_one_request(self) -> None:
        """Read and answer one request; end the connection when it does not come."""
        self.patient.requests.waits(self.connection, partial(cut, self.connection))
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read the head of a request; answer one that is malformed, but not one that is cut short.

        Python's parser takes much for a head (see `turnout_compat.gevent_head`), and the end of
        the stream for the end of one.
        """
        reader = self.rfile
        self.rfile = lines = CheckedLines(reader)
        try:
            parsed = super().parse_request()
        finally:
            self.rfile = reader
        if not parsed:
            return False
        objection = lines.objection or self._repeated()
        if objection:
            self.close_connection = True
            if not lines.has_ended:
                self.send_error(HTTPStatus.BAD_REQUEST, explain=objection)
        return not objection

    def _repeated(self) -> str:
        for name in ("Host", "Content-Length"):
            if len(self.headers.get_all(name, ())) > 1:
                return f"{name} is there twice"
        return ""

    def run_wsgi(self) -> None:
        """Answer a request that has arrived."""
        self.patient.requests.answers(self.connection)
        reader = self.rfile
        if self.headers.get("Transfer-Encoding") is not None:
            self.close_connection = True
        else:
            self.rfile = self._body = BodyReader(reader, self.headers.get("Content-Length"))
        try:
            super().run_wsgi()
        finally:
            self.rfile, self._body = reader, None

    def make_environ(self) -> dict[str, Any]:
        """Return the environ, with the reader of the connection."""
        environ = super().make_environ()
        if self._body is not None:
            environ[READER] = self._body.source
        return environ

    def send_header(self, keyword: str, value: str) -> None:
        """Send a header field, but not that by which Werkzeug ends the connection."""
        ends = keyword == "Connection" and value == "close"
        if ends and not self.close_connection and self._body is not None and not self._body.left:
            return
        super().send_header(keyword, value)

    def connection_dropped(
        self, error: BaseException, environ: dict[str, Any] | None = None
    ) -> None:
        """End the connection; log a session that the server was to write nothing for."""
        self.close_connection = True
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
