"""The cheroot engine: our own handshake and the standard driver, on cheroot's WSGI server.

    server = cheroot.wsgi.Server(("127.0.0.1", 8080), mount(app, registry), numthreads=200)

A session has the thread of its request, so `numthreads` bounds them: one thread always stays free
for plain HTTP, and a WebSocket beyond the rest is refused with 503.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from cheroot.makefile import StreamReader
from cheroot.server import HTTPServer
from cheroot.wsgi import Gateway

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError, HandshakeRefused
from turnout_adapters.threaded_wsgi import (
    ThreadedWsgiApplication,
    ThreadedWsgiRequest,
    ThreadedWsgiResponse,
    ThreadedWsgiStrategy,
    read_early,
)
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cheroot.server import HTTPRequest

    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout.strategy import Upgrade
    from turnout_adapters.wsgi import WsgiApplication

__all__ = ["CherootApplication", "CherootStrategy", "SentFields", "mount"]

SETTINGS = frozenset(
    {
        "expiration_interval",
        "keep_alive_conn_limit",
        "max_request_body_size",
        "max_request_header_size",
        "max",
        "nodelay",
        "server_name",
    }
)
REPLACED = {
    "bind_addr": "host and port, or unix, of ServerSettings",
    "numthreads": "max: threads begin when they are needed",
    "request_queue_size": "backlog of ServerSettings",
    "ssl_adapter": "tls_cert and tls_key of ServerSettings",
    "timeout": "handshake_timeout",
    "wsgi_app": "the registry",
}


class SentFields(dict[bytes, bytes]):
    """What cheroot's parser puts header fields into; it knows those that it replaces, too."""

    def __init__(self) -> None:
        super().__init__()
        self._replaced: list[tuple[bytes, bytes]] = []

    def __setitem__(self, name: bytes, value: bytes) -> None:
        before = self.get(name)
        if before is not None and not value.startswith(before + b", "):  # else it was joined
            self._replaced.append((name, before))
        super().__setitem__(name, value)

    def sent(self) -> Iterable[tuple[str, str]]:
        """Yield every field; those of one name in their order."""
        for name, value in (*self._replaced, *self.items()):
            yield name.decode("latin-1"), value.decode("latin-1")


class CherootRequest(ThreadedWsgiRequest):
    """A request that cheroot has read; `native` is the WSGI environ.

    Where cheroot's gateway can be had, it leads to the request itself. It can where
    `start_response` is its own method; behind a middleware that wraps it, the environ has to do.
    """

    @property
    def parsed(self) -> HTTPRequest | None:
        """The request as cheroot has it."""
        gateway = getattr(self.start_response, "__self__", None)
        return gateway.req if isinstance(gateway, Gateway) else None

    @property
    def sent_fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent, but for the case of their names, on our own server.

        Elsewhere cheroot keeps the last of fields with the same name, unless it knows them for
        lists.
        """
        fields = None if self.parsed is None else self.parsed.inheaders
        return fields.sent() if isinstance(fields, SentFields) else None

    @property
    def reader(self) -> Any:
        """The buffered reader that cheroot has read the request from."""
        reader = getattr(self.native["wsgi.input"], "rfile", None)
        if not isinstance(reader, StreamReader):
            raise ConfigurationError(
                "a middleware has replaced wsgi.input: mount turnout in front of it"
            )
        return reader

    @property
    def socket(self) -> Any:
        """The socket of the connection."""
        return self.reader.raw._sock  # noqa: SLF001  # a SocketIO has no public way to it

    @property
    def early_bytes(self) -> bytes:
        """What cheroot has read behind the request."""
        return read_early(self.reader, self.socket)

    def read_piece(self, size: int, taken: int) -> bytes:
        """Return some bytes of the body, none at its end."""
        try:
            return super().read_piece(size, taken)
        except ValueError as error:
            raise HandshakeRefused(400, body="The request body is malformed.") from error


class CherootResponse(ThreadedWsgiResponse):
    """The response to a request on cheroot."""

    def switch(self, upgrade: Upgrade) -> None:
        """Write the 101; cheroot is to take it for written."""
        super().switch(upgrade)
        parsed = cast("CherootRequest", self.request).parsed
        if parsed is not None:
            parsed.sent_headers = True


class CherootStrategy(ThreadedWsgiStrategy):
    """The standard driver on cheroot's WSGI server.

    `configure` takes these settings of `cheroot.wsgi.Server`: `max` (threads at most, 1,024 by
    default), `server_name`, and its attributes `max_request_header_size`, `max_request_body_size`,
    `keep_alive_conn_limit`, `nodelay`, `expiration_interval`. `reserved_threads` is turnout's own:
    how many threads no WebSocket gets, 1 by default.
    """

    name: ClassVar[str] = "cheroot"
    distribution: ClassVar[str | None] = "cheroot"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        native = self.take_reserved_threads(native)
        check_native_settings(self.name, native, SETTINGS, REPLACED)
        self.native_settings.update(native)
        return self

    def threads_of(self, request: ThreadedWsgiRequest) -> int | None:
        """Return how many threads of the server sessions may have."""
        parsed = cast("CherootRequest", request).parsed
        if parsed is None or not isinstance(parsed.server, HTTPServer):
            return None
        return self.threads_in(cast("Any", parsed.server).requests)

    def threads_in(self, pool: Any) -> int:
        """Return how many threads of a pool sessions may have; cheroot adds none by itself."""
        return cast("int", pool.min) - self.reserved_threads

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> CherootApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return CherootApplication(registry, self, app)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; call it in the main thread."""
        from turnout_adapters.cheroot_server import serve

        serve(self.application(registry), settings, self.native_settings)


class CherootApplication(ThreadedWsgiApplication):
    """A WSGI application that serves a registry on cheroot, and leaves other requests to `app`.

    `service` holds the sessions. They are drained when the process ends; call `drain` when the
    server stops, or hand the server to `drain_on_stop` once.
    """

    request_class: ClassVar[type[ThreadedWsgiRequest]] = CherootRequest
    response_class: ClassVar[type[ThreadedWsgiResponse]] = CherootResponse

    def drain_on_stop(self, server: HTTPServer) -> Self:
        """Have `server.stop()` drain before it ends its threads.

        cheroot has no hook for its end, so the method of this one server is wrapped.
        """
        stop = server.stop

        def stop_after_draining() -> None:
            self.drain()
            stop()

        cast("Any", server).stop = stop_after_draining
        return self


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: CherootStrategy | None = None,
) -> CherootApplication:
    """Return a WSGI application for cheroot: `app` with the WebSockets of `registry` in front.

    Give it to a `cheroot.wsgi.Server` in the place of `app`, whose other routes are untouched. The
    request's head is the server's to read, so `handshake_timeout` is refused when it was set. On
    TLS, cheroot's `builtin` adapter is needed.
    """
    registry.options.check_mounted()
    strategy = strategy or CherootStrategy()
    return strategy.application(registry, app).drain_at_exit()
