"""The gevent engine: our own handshake on pywsgi, the standard driver on its gevent socket.

    application = mount(flask_app, registry)
    WSGIServer(("", 8080), application).serve_forever()

It works with and without `gevent.monkey`. A session lives in the greenlet of its request, so
pywsgi's bookkeeping spans it: the pool counts it, the access log tells of it at its end.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from gevent.pywsgi import WSGIHandler, WSGIServer

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.errors import ConfigurationError, ConnectionClosed
from turnout.protocol.connection import StandardConnection
from turnout.service import WebSocketService
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.pywsgi import PywsgiHandler, PywsgiRequest, handler_of
from turnout_adapters.pywsgi_response import PywsgiResponse, Upgraded
from turnout_compat.gevent_runtime import GeventRuntime

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["GeventApplication", "GeventStrategy", "mount"]

log = logging.getLogger("turnout.gevent")

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class GeventStrategy(RequestUpgradeStrategy):
    """The standard driver on pywsgi.

    `configure` takes the keywords of `pywsgi.WSGIServer`: `spawn` (a pool, or how many connections
    at most), `log`, `error_log`, `handler_class`, `environ`. By default requests are logged to the
    logger `turnout.gevent.access`, with the values of query parameters hidden.
    """

    name: ClassVar[str] = "gevent"
    runtime: ClassVar[str] = "gevent"
    distribution: ClassVar[str | None] = "gevent"
    capabilities: ClassVar[Capabilities] = Capabilities()
    native_handler_class: ClassVar[type[WSGIHandler]] = WSGIHandler

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    @property
    def handler_class(self) -> type[WSGIHandler]:
        """The class of pywsgi's handlers, as configured."""
        configured = self.native_settings.get("handler_class", self.native_handler_class)
        return cast("type[WSGIHandler]", configured)

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        known = _server_keywords()
        for name, value in native.items():
            if name not in known:
                raise ConfigurationError(
                    f"the engine {self.name!r} has no {name!r}; it has {', '.join(known)}"
                )
            base = self.native_handler_class
            if name == "handler_class" and not _extends(value, base):
                raise ConfigurationError(
                    f"handler_class takes a subclass of {base.__name__}, not {value!r}"
                )
        self.native_settings.update(native)
        return self

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 and give the socket to the standard driver.

        The application runs the session when the handshake has returned: a greenlet keeps, and
        copies at every switch, the C stack of each coroutine that awaits another.
        """
        assert isinstance(request, PywsgiRequest)
        assert isinstance(response, PywsgiResponse)
        transport, early = response.switch(upgrade.response_headers, self.native_of(request))
        connection = StandardConnection(
            transport,
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
            early_data=early,
        )
        transport.begin(connection)
        response.upgraded = Upgraded(upgrade, connection, transport)

    def native_of(self, request: PywsgiRequest) -> Any:
        """Return what becomes `session.native`."""
        return request.socket

    def run(self, upgraded: Upgraded) -> None:
        """Run a session in the calling greenlet; returns when it is over."""
        try:
            drive(upgraded.upgrade.run(upgraded.connection))
        finally:
            upgraded.transport.release()

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> GeventApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return GeventApplication(registry, self, app)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; call it in the main thread."""
        from turnout_adapters.pywsgi_server import serve

        serve(self.application(registry), settings, self.native_settings)


def _server_keywords() -> list[str]:
    settled_elsewhere = {"self", "listener", "application", "backlog"}
    parameters = inspect.signature(WSGIServer.__init__).parameters.values()
    named = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return [name for name in named if name not in settled_elsewhere]


def _extends(value: object, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _combine(mixin: type[WSGIHandler], handler_class: type[WSGIHandler]) -> type[WSGIHandler]:
    return cast("type[WSGIHandler]", type(handler_class.__name__, (mixin, handler_class), {}))


class GeventApplication:
    """A WSGI application that serves a registry on pywsgi, and leaves other requests to `app`.

    `service` holds the sessions. Call `drain` when the server stops, or hand the server to
    `drain_on_stop` once.
    """

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: GeventStrategy,
        app: WsgiApplication | None = None,
    ) -> None:
        self._strategy = strategy
        self.runtime = GeventRuntime()
        self.service = WebSocketService(registry, strategy, self.runtime)
        self.handler_class: type[WSGIHandler] = self._extend(strategy.handler_class)
        """For a server whose middlewares wrap `start_response`: see `PywsgiHandler`."""
        self._app = app

    def _extend(self, handler_class: type[WSGIHandler]) -> type[WSGIHandler]:
        return _combine(PywsgiHandler, handler_class)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request; returns when its session, if it became one, is over."""
        request = PywsgiRequest(environ, handler_of(environ, start_response))
        if self._app is not None and not self.takes(request):
            return self._app(environ, start_response)
        response = PywsgiResponse(request, start_response, self.runtime)
        # A context of its own: a greenlet of pywsgi serves one request after the other.
        copy_context().run(self._serve, request, response)
        return ()

    def _serve(self, request: PywsgiRequest, response: PywsgiResponse) -> None:
        drive(self._answer(request, response))
        if response.upgraded is not None:
            self._strategy.run(response.upgraded)

    def takes(self, request: PywsgiRequest) -> bool:
        """Tell whether this answers a request; else the host's own application does."""
        return self._app is None or self.service.claims(request)

    async def _answer(self, request: PywsgiRequest, response: PywsgiResponse) -> None:
        try:
            if not await self.service.handle(request, response):
                await response.send(404, [("Content-Type", "text/plain")], b"Not Found")
        except ConnectionClosed:
            log.debug("the client went before it was answered")
            response.abandon()
        finally:
            response.release()

    def drain(self, timeout: float | None = None, code: int = 1001, reason: str = "") -> None:
        """Refuse new sessions, close all, and return when they are over; any thread may call it.

        See `WebSocketService.drain`.
        """
        self.runtime.call_blocking(self.service.drain(timeout, code, reason))

    def drain_on_stop(self, server: WSGIServer) -> Self:
        """Have `server.stop()`, and so the end of `serve_forever`, drain before it kills anything.

        pywsgi has no hook for its end, so the method of this one server is wrapped.
        """
        stop = server.stop

        def stop_after_draining(timeout: float | None = None) -> None:
            server.close()
            self.drain()
            stop(timeout)

        cast("Any", server).stop = stop_after_draining
        return self


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: GeventStrategy | None = None,
) -> GeventApplication:
    """Return a WSGI application for pywsgi: `app` with the WebSockets of `registry` in front.

    Give it to a `pywsgi.WSGIServer` in the place of `app`, whose other routes are untouched. A
    middleware may stand before it; if that wraps `start_response`, let the server have the
    application's `handler_class` too. The request's head is the server's to read, so
    `handshake_timeout` is refused when it was set.
    """
    registry.options.check_mounted()
    return (strategy or GeventStrategy()).application(registry, app)
