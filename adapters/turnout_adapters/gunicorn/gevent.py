"""The gunicorn-gevent engine: the standard driver on the sockets of gunicorn's `gevent` worker.

    application = mount(flask_app, registry)

    gunicorn -k gevent module:application

A session lives in the greenlet of its request, so gunicorn's bookkeeping spans it:
`worker_connections` counts it, the access log tells of it at its end. gunicorn's other worker on
gevent, `gevent_pywsgi`, will do as well.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gevent import socket, ssl

from turnout.errors import ConfigurationError
from turnout.service import WebSocketService
from turnout_adapters.gevent_wsgi import (
    GeventWsgiApplication,
    GeventWsgiRequest,
    GeventWsgiResponse,
    GeventWsgiStrategy,
)
from turnout_adapters.gunicorn.exchange import SOCKET, Exchange, nothing_more
from turnout_adapters.gunicorn.settings import checked
from turnout_adapters.gunicorn.views import EndsWithWorker, ExchangeRequest
from turnout_adapters.pywsgi import PywsgiRequest, handler_of
from turnout_adapters.pywsgi_response import PywsgiResponse
from turnout_compat.gevent_runtime import GeventRuntime
from turnout_compat.gevent_tls import transport_over

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout.strategy import Upgrade
    from turnout_adapters.wsgi import Environ, StartResponse, WsgiApplication
    from turnout_compat.gevent_transport import GeventTransport

__all__ = ["GunicornGeventApplication", "GunicornGeventStrategy", "mount"]


IDLE = 75
"""Seconds that a kept connection waits for its next request, where options set no limit."""


class GunicornGeventStrategy(GeventWsgiStrategy):
    """The standard driver on gunicorn's `gevent` worker.

    `configure` takes gunicorn's settings, by the names that a configuration file has for them:
    `workers`, `graceful_timeout`, `max_requests`, `accesslog`, the hooks, ... By default there is
    one worker, and its log is left to the program's own logging. How many connections there may be
    is said by `max_connections`.
    """

    name: ClassVar[str] = "gunicorn-gevent"
    distribution: ClassVar[str | None] = "gunicorn"

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        self.native_settings.update(checked(self.name, native))
        return self

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> GunicornGeventApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return GunicornGeventApplication(registry, self, app)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; call it in the main thread.

        The calling process becomes gunicorn's arbiter. A worker is forked from it, in which gevent
        patches the standard library: what must not block has to be looked up there by then
        (`time.sleep(1)`, not a `sleep` imported before).
        """
        from turnout_adapters.gunicorn.gevent_worker import ServingGeventWorker
        from turnout_adapters.gunicorn.server import serve

        WebSocketService(registry, self, GeventRuntime())  # raises here, and not in a worker
        native = {**_defaults(registry.options), **self.native_settings}
        serve(lambda: self.application(registry), settings, ServingGeventWorker, native)


def _defaults(options: WebSocketOptions) -> dict[str, Any]:
    """Return what gunicorn is to do by itself for the options' sake, in whole seconds."""
    patience = options.handshake_timeout
    return {
        "graceful_timeout": math.ceil(2 * options.close_timeout) + 30,
        "keepalive": IDLE if patience is None else math.ceil(patience),
    }


class GunicornRequest(ExchangeRequest, GeventWsgiRequest):
    """A request that gunicorn's `gevent` worker has read."""

    tls_socket_class: ClassVar[type[Any]] = ssl.SSLSocket

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange.environ)
        self.exchange = exchange


class GunicornResponse(GeventWsgiResponse[GunicornRequest]):
    """The response to a request on gunicorn's `gevent` worker."""

    def switch(self, upgrade: Upgrade, native: Any = None) -> tuple[GeventTransport, bytes]:
        """Write the 101; return the transport and what came after the request."""
        exchange = self.request.exchange
        early = exchange.take_early_bytes()
        self.started = True
        self.abandon()
        with contextlib.suppress(OSError):  # the client has gone: the transport finds the same
            exchange.switch(upgrade.response_head, upgrade.response_headers)
        transport = transport_over(self.request.socket, self.runtime, native)
        transport.remote_address = self.request.remote_address
        return transport, early

    def abandon(self) -> None:
        """Let gunicorn end the connection after this request, with nothing more written."""
        self.rest = nothing_more()


class GunicornGeventApplication(EndsWithWorker, GeventWsgiApplication):
    """A WSGI application that serves a registry on gunicorn's workers for gevent.

    `service` holds the sessions of this worker process. It drains them when the worker ends, once
    `drain_with_worker` was called.
    """

    def views_of(
        self, environ: Environ, start_response: StartResponse
    ) -> tuple[GeventWsgiRequest, Callable[[], GeventWsgiResponse[Any]]]:
        """Return the views of a request, by the worker that it arrived on, and of its response."""
        handler = handler_of(environ, start_response)
        if handler is not None:
            pywsgi_request = PywsgiRequest(environ, handler)
            return pywsgi_request, lambda: PywsgiResponse(
                pywsgi_request, start_response, self.runtime
            )
        if not isinstance(environ.get(SOCKET), socket.socket):
            raise ConfigurationError("this application needs gunicorn's gevent worker: -k gevent")
        request = GunicornRequest(Exchange(environ, start_response))
        return request, lambda: GunicornResponse(request, start_response, self.runtime)


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: GunicornGeventStrategy | None = None,
) -> GunicornGeventApplication:
    """Return a WSGI application for `gunicorn -k gevent`: `app` with the registry in front.

    The other routes of `app` are untouched. When a worker ends, its sessions are closed with 1001;
    gunicorn's `graceful_timeout` has to leave them the time. The request's head is gunicorn's to
    read, so `handshake_timeout` is refused when it was set.
    """
    registry.options.check_mounted()
    strategy = strategy or GunicornGeventStrategy()
    return strategy.application(registry, app).drain_with_worker()
