"""Serving on cheroot: listening, signals, the time a request may take, threads, an orderly end."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from cheroot.makefile import MakeFile
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Server

from turnout_adapters.cheroot import SentFields
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.http_head import CheckedLines
from turnout_compat.listening import address_of_socket, listening
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_pool import DaemonThreads
from turnout_compat.threads_serving import RunningRequests, cut, termination

if TYPE_CHECKING:
    from turnout.serving import ServerSettings
    from turnout_adapters.cheroot import CherootApplication

__all__ = ["serve"]

log = logging.getLogger("turnout.cheroot")

THREADS = 1024
"""How many threads a server may have, each begun when it is first needed."""
MAX_HEADER_SIZE = 64 * 1024
IDLE = 75
"""Seconds that a kept connection waits for its next request, where options set no limit."""


def serve(
    application: CherootApplication, settings: ServerSettings, native: dict[str, Any]
) -> None:
    """Serve an application until SIGINT or SIGTERM, drain it, and return.

    Raises `OSError` when the address cannot be had, `ConfigurationError` for bad TLS files.
    """
    tls = tls_context(settings)
    options = application.service.registry.options
    requests = RunningRequests(options.handshake_timeout)
    with listening(settings) as sockets, termination() as asked:
        address = address_of_socket(sockets[0])
        running = [
            RunningServer(PatientServer(application, one, settings, native, tls, requests))
            for one in sockets
        ]
        try:
            settings.announce(address)
            asked.wait()
            for server in running:
                server.stop()
            requests.finish(application.drain, options.close_timeout)
        finally:
            for server in running:
                server.stop()
            IoRuntime.shared().stop()


class RunningServer:
    """A server whose selector runs in a thread of its own."""

    def __init__(self, server: PatientServer) -> None:
        self._server = server
        server.prepare()
        self._thread = threading.Thread(target=server.serve, name="turnout-accept", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more, and keep no connection alive; harmless when repeated."""
        self._server.stop()
        self._thread.join()


class PatientServer(Server):
    """cheroot's server on a bound socket, which knows what its connections are doing."""

    def __init__(
        self,
        application: CherootApplication,
        listener: socket.socket,
        settings: ServerSettings,
        native: dict[str, Any],
        tls: ssl.SSLContext | None,
        requests: RunningRequests,
    ) -> None:
        limit = application.service.registry.options.handshake_timeout
        name = listener.getsockname()
        super().__init__(
            name if isinstance(name, str) else name[:2],
            application,
            server_name=native.get("server_name"),
            request_queue_size=settings.backlog,
        )
        own: Any = self
        own.timeout = IDLE if limit is None else limit
        own.keep_alive_conn_limit = None
        own.max_request_header_size = MAX_HEADER_SIZE
        for attribute in native.keys() - {"max", "server_name"}:
            setattr(self, attribute, native[attribute])
        self._listener = listener
        self.running = requests
        self.requests: Any = ConnectionThreads(self, native.get("max", THREADS))
        self.ConnectionClass = PatientConnection
        self.ssl_adapter = None if tls is None else ContextAdapter(tls)

    def bind(self, family: int, type: int, proto: int = 0) -> None:  # noqa: A002  # cheroot's name
        """Use the socket that was bound."""
        self.socket = self._listener

    def bind_unix_socket(self, bind_addr: Any) -> None:
        """Use the socket that was bound."""
        self.socket = self._listener

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Log what cheroot would print."""
        log.log(level, "%s", msg, exc_info=traceback)


class PatientConnection(HTTPConnection):
    """A connection whose next request has `handshake_timeout` to arrive, TLS included."""

    RequestHandlerClass: Any
    server: PatientServer
    socket: Any
    _has_shaken_hands = False

    def communicate(self) -> bool:
        """Read and answer one request; tell whether the connection is to be kept."""
        requests = self.server.running
        requests.waits(self, partial(cut, self.socket))
        if not self._shake_hands():
            return False
        self.socket.settimeout(None)  # each request has its own limit, a response has none
        keep = bool(cast("Any", super()).communicate())
        if keep:
            requests.waits(self, partial(cut, self.socket))
        return keep

    def _shake_hands(self) -> bool:
        if not self._has_shaken_hands and isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except OSError as error:
                log.debug("no TLS with %s: %s", self.remote_addr, error)
                return False
        self._has_shaken_hands = True
        return True

    def close(self) -> None:
        """Close the socket, and drop what could not be written, of which Python 3.13 would tell."""
        self.server.running.ends(self)
        super().close()
        with contextlib.suppress(OSError):  # nothing more can be written to a closed socket
            self.wfile.close()


class StrictHeaderReader(HeaderReader):
    """Refuses lines that are no fields, and fields that must not be repeated.

    cheroot takes a name that ends with a space, and the last of two lengths or hosts.
    """

    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        """Read header fields; raise `ValueError`, which cheroot answers with 400."""
        lines = CheckedLines(rfile)
        fields = SentFields() if hdict is None else hdict
        cast("Any", super()).__call__(lines, fields)
        names = [name for name, _ in fields.sent()]
        if lines.objection or names.count("Host") > 1 or names.count("Content-Length") > 1:
            raise ValueError(lines.objection or "a field that must not be is repeated")
        return fields


class PatientRequest(HTTPRequest):
    """A request that tells when it has arrived, and knows all its header fields."""

    header_reader = StrictHeaderReader()

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.inheaders = SentFields()

    def respond(self) -> None:
        """Answer it."""
        self.server.running.answers(self.conn)
        super().respond()


PatientConnection.RequestHandlerClass = PatientRequest


class ContextAdapter(Adapter):
    """TLS by a context of ours; hands are shaken in the connection's thread, not in the accept."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: Any) -> Any:
        """Return the listener as it is."""
        return sock

    def wrap(self, sock: Any) -> tuple[Any, dict[str, str]]:
        """Return a socket that speaks TLS, and nothing for the environ."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, str]:
        """Return what cheroot's own adapters say at least."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = io.DEFAULT_BUFFER_SIZE) -> Any:
        """Return a file of a socket."""
        return MakeFile(sock, mode, bufsize)


class ConnectionThreads:
    """What cheroot takes for its pool: each connection gets a thread while there are any.

    cheroot's own pool has as many as it began with.
    """

    idle = 0
    qsize = 0

    def __init__(self, server: PatientServer, limit: int) -> None:
        self.limit = self.min = limit
        self._server = server
        self._threads = DaemonThreads(limit)

    def start(self) -> None:
        """Begin no thread yet."""

    def put(self, conn: PatientConnection) -> None:
        """Have a thread serve the next request of a connection."""
        self._threads.submit(self._serve, conn)

    def _serve(self, conn: PatientConnection) -> None:
        keep = False
        try:
            keep = conn.communicate()
        except Exception:
            log.exception("serving %s failed", conn.remote_addr)
        finally:
            if keep:
                self._server.put_conn(conn)
            else:
                conn.close()

    def stop(self, timeout: float | None = 5) -> None:
        """Let each thread end behind its connection."""
        self._threads.shutdown()
