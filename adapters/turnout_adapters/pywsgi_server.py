"""Serving on gevent's pywsgi: listening, signals, the time a request may take, an orderly end."""

from __future__ import annotations

import errno
import logging
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gevent
import gevent.event
from gevent import socket, ssl
from gevent.pywsgi import WSGIHandler, WSGIServer
from greenlet import getcurrent

from turnout.errors import ConfigurationError
from turnout.handshake.redaction import redact
from turnout_compat.gevent_servers import PatientStreamServer, RunningRequests
from turnout_compat.gevent_transport import address_of

if TYPE_CHECKING:
    from turnout.http import Address
    from turnout.serving import ServerSettings
    from turnout_adapters.gevent import GeventApplication

__all__ = ["serve"]

log = logging.getLogger("turnout.gevent")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(application: GeventApplication, settings: ServerSettings, native: dict[str, Any]) -> None:
    """Serve an application until SIGINT or SIGTERM, drain it, and return.

    Raises `OSError` when the address cannot be had, `ConfigurationError` for bad TLS files.
    """
    server = _server(application, settings, native)
    with _termination() as asked:
        server.start()
        try:
            settings.announce(server.bound_address)
            asked.wait()
            server.drain()
        finally:
            server.close()
            application.runtime.close()
            if settings.unix is not None:
                settings.unix.unlink(missing_ok=True)


def _server(
    application: GeventApplication, settings: ServerSettings, native: dict[str, Any]
) -> PatientServer:
    defaults: dict[str, Any] = {
        "log": logging.getLogger("turnout.gevent.access"),
        "error_log": log,
    }
    keywords = {**defaults, **native}
    # The name is only for CGI's SERVER_NAME; without it pywsgi asks the resolver for one.
    keywords["environ"] = {"SERVER_NAME": settings.host, **(native.get("environ") or {})}
    handler_class = application.handler_class
    keywords["handler_class"] = type(handler_class.__name__, (TimedHandler, handler_class), {})
    if settings.tls_cert is not None:
        keywords["ssl_context"] = _tls_context(settings.tls_cert, settings.tls_key)
    return PatientServer(_listener(settings), application, **keywords)


@contextmanager
def _termination() -> Iterator[gevent.event.Event]:
    """Let SIGINT and SIGTERM only set the event; a second one interrupts at once."""
    asked = gevent.event.Event()
    main = getcurrent()

    def ask() -> None:
        if asked.is_set():
            gevent.kill(main, KeyboardInterrupt)
        asked.set()

    previous = {number: signal.getsignal(number) for number in SIGNALS}
    watchers = [gevent.signal_handler(number, ask) for number in SIGNALS]
    try:
        yield asked
    finally:
        for watcher in watchers:
            watcher.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)


class PatientServer(PatientStreamServer, WSGIServer):
    """A pywsgi server that knows which connections are idle and which are being answered."""

    def __init__(self, listener: Any, application: GeventApplication, **keywords: Any) -> None:
        self.turnout = application
        self.requests = RunningRequests()
        self.is_stopping = False
        self.head_timeout = application.service.registry.options.handshake_timeout
        WSGIServer.__init__(self, listener, application, **keywords)

    @property
    def bound_address(self) -> Address:
        """Where the server listens."""
        address = address_of(self.address)
        assert address is not None
        return address

    def drain(self) -> None:
        """Stop accepting, drain the sessions, let running requests end, then cut the rest."""
        self.is_stopping = True
        self.close()
        self.requests.finish(
            self.turnout.drain, self.turnout.service.registry.options.close_timeout
        )


class RequestTimedOut(BaseException):
    """A request has not arrived in `handshake_timeout`."""


class TimedHandler(WSGIHandler):
    """A pywsgi handler that waits for a request only so long, and logs no secrets."""

    @property
    def patient(self) -> PatientServer:
        """The server, by what it is."""
        return cast("PatientServer", self.server)

    def handle_one_request(self) -> Any:
        """Read and answer one request; end the connection when it does not come."""
        if self.patient.is_stopping:
            return None
        current = cast("Any", getcurrent())
        self.patient.requests.waits(lambda: current.kill(block=False))
        self._limit = gevent.Timeout.start_new(self.patient.head_timeout, RequestTimedOut)
        try:
            return super().handle_one_request()
        except RequestTimedOut:
            return None
        finally:
            self._limit.close()
            self.patient.requests.ends()

    def get_environ(self) -> dict[str, Any]:
        """Return the environ; the request has arrived."""
        self._limit.close()
        self.patient.requests.answers()
        return super().get_environ()

    def format_request(self) -> str:
        """Return the line of the access log, with the values of query parameters hidden."""
        return redact(super().format_request())


def _listener(settings: ServerSettings) -> Any:
    if settings.unix is not None:
        _remove_stale(settings.unix)
        return _bound(socket.AF_UNIX, str(settings.unix), settings.backlog)
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    return _bound(found[0][0], found[0][4], settings.backlog)


def _bound(family: int, address: Any, backlog: int) -> Any:
    listener = socket.socket(family)
    try:
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket of a server that is gone; raise `OSError` if one still listens there."""
    with suppress(FileNotFoundError, ConnectionRefusedError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return  # bind will say that the address is in use
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        raise OSError(errno.EADDRINUSE, f"a server listens on {path}")
    path.unlink(missing_ok=True)


def _tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    # gevent's own, as sockets of the standard library's would block every greenlet.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        files = " and ".join(str(path) for path in (certificate, key) if path)
        raise ConfigurationError(f"cannot use {files} for TLS: {error}") from error
    return context
