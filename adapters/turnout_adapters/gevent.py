"""The gevent engine: our own handshake on pywsgi, the standard driver on its gevent socket.

    application = mount(flask_app, registry)
    WSGIServer(("", 8080), application).serve_forever()

It works with and without `gevent.monkey`. A session lives in the greenlet of its request, so
pywsgi's bookkeeping spans it: the pool counts it, the access log tells of it at its end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from gevent.pywsgi import WSGIHandler, WSGIServer

from turnout.errors import ConfigurationError
from turnout_adapters.gevent_wsgi import GeventWsgiApplication, GeventWsgiStrategy
from turnout_adapters.pywsgi import PywsgiHandler, PywsgiRequest, handler_of
from turnout_adapters.pywsgi_response import PywsgiResponse
from turnout_adapters.wsgi import Environ, StartResponse, WsgiApplication

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["GeventApplication", "GeventStrategy", "mount"]


class GeventStrategy(GeventWsgiStrategy):
    """The standard driver on pywsgi.

    `configure` takes the keywords of `pywsgi.WSGIServer`: `spawn` (a pool, or how many connections
    at most), `log`, `error_log`, `handler_class`, `environ`. By default requests are logged to the
    logger `turnout.gevent.access`, with the values of query parameters hidden.
    """

    name: ClassVar[str] = "gevent"
    distribution: ClassVar[str | None] = "gevent"
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


class GeventApplication(GeventWsgiApplication):
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
        super().__init__(registry, strategy, app)
        self.handler_class: type[WSGIHandler] = self._extend(strategy.handler_class)
        """For a server whose middlewares wrap `start_response`: see `PywsgiHandler`."""

    def _extend(self, handler_class: type[WSGIHandler]) -> type[WSGIHandler]:
        return _combine(PywsgiHandler, handler_class)

    def views_of(
        self, environ: Environ, start_response: StartResponse
    ) -> tuple[PywsgiRequest, Callable[[], PywsgiResponse]]:
        """Return the views of pywsgi's request and of its response."""
        request = PywsgiRequest(environ, handler_of(environ, start_response))
        return request, lambda: PywsgiResponse(request, start_response, self.runtime)

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
