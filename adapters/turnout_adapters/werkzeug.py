"""The Werkzeug engine: our own handshake and the standard driver, on Werkzeug's own server.

    app.wsgi_app = mount(app.wsgi_app, registry)    # `app` is a Flask application
    app.run()                                       # or `flask run`

A session has the thread of its request. Werkzeug gives every connection one, as many as there are;
`max_connections` bounds them.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, ClassVar, Self

from werkzeug.serving import WSGIRequestHandler

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
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

    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.wsgi import WsgiApplication

__all__ = ["WerkzeugApplication", "WerkzeugStrategy", "mount"]


READER = "turnout.werkzeug_reader"
"""Where our own server leaves the reader of the connection; Werkzeug's is `wsgi.input`."""
SETTINGS = frozenset({"passthrough_errors", "request_handler"})
REPLACED = {
    "app": "the registry",
    "fd": "host and port, or unix, of ServerSettings",
    "processes": "nothing: sessions are found in their own process only",
    "ssl_context": "tls_cert and tls_key of ServerSettings",
    "threaded": "nothing: each connection has a thread",
}


class WerkzeugRequest(ThreadedWsgiRequest):
    """A request of Werkzeug's server; `native` is the WSGI environ."""

    @property
    def socket(self) -> Any:
        """The socket of the connection."""
        return self.native["werkzeug.socket"]

    @property
    def early_bytes(self) -> bytes:
        """What the server has read behind the request."""
        return read_early(self.native.get(READER, self.native["wsgi.input"]), self.socket)


class WerkzeugResponse(ThreadedWsgiResponse):
    """The response to a request on Werkzeug's server."""

    def nothing_more(self) -> Iterable[bytes]:
        """Have Werkzeug write nothing that arrives; see `ThreadedWsgiResponse`.

        What it writes behind a session goes to a socket that is shut down, and fails where it looks
        for clients that have gone, once it has logged the request. A debugger in between has
        nothing to report then. A TLS socket would fail in another way.
        """
        if self.sent_status == 101 and not isinstance(self.request.socket, ssl.SSLSocket):
            return ()
        return super().nothing_more()


class WerkzeugStrategy(ThreadedWsgiStrategy):
    """The standard driver on Werkzeug's server.

    `configure` takes two keywords of `werkzeug.serving.make_server`: `request_handler`, the class
    of its handlers, and `passthrough_errors`. Requests are logged to the logger
    `turnout.werkzeug.access`, with the values of query parameters hidden.
    """

    name: ClassVar[str] = "werkzeug"
    distribution: ClassVar[str | None] = "Werkzeug"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        check_native_settings(self.name, native, SETTINGS, REPLACED)
        handler = native.get("request_handler", WSGIRequestHandler)
        if not isinstance(handler, type) or not issubclass(handler, WSGIRequestHandler):
            raise ConfigurationError(
                f"request_handler takes a subclass of WSGIRequestHandler, not {handler!r}"
            )
        self.native_settings.update(native)
        return self

    def threads_of(self, request: ThreadedWsgiRequest) -> int | None:
        """Return None: each connection has a thread; or 0 on a server without threads."""
        return None if request.native["wsgi.multithread"] else 0

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> WerkzeugApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return WerkzeugApplication(registry, self, app)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; call it in the main thread."""
        from turnout_adapters.werkzeug_server import serve

        serve(self.application(registry), settings, self.native_settings)


class WerkzeugApplication(ThreadedWsgiApplication):
    """A WSGI application that serves a registry on Werkzeug's server.

    `service` holds the sessions. They are drained when the process ends; call `drain` to do it
    before.
    """

    request_class: ClassVar[type[ThreadedWsgiRequest]] = WerkzeugRequest
    response_class: ClassVar[type[ThreadedWsgiResponse]] = WerkzeugResponse


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: WerkzeugStrategy | None = None,
) -> WerkzeugApplication:
    """Return a WSGI application for Werkzeug: `app` with the WebSockets of `registry` in front.

    Give it to `run_simple` in the place of `app`, or to a Flask application as its `wsgi_app`. The
    request's head is the server's to read, so `handshake_timeout` is refused when it was set. What
    is open when the process ends is closed with 1001 then.
    """
    registry.options.check_mounted()
    return (strategy or WerkzeugStrategy()).application(registry, app).drain_at_exit()
