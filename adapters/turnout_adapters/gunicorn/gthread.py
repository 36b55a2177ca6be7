"""The gunicorn-gthread engine: the standard driver on the sockets of gunicorn's `gthread` worker.

    application = mount(flask_app, registry)

    gunicorn -k gthread --threads 200 module:application

A session has the thread of its request, so `--threads` bounds them: one thread always stays free
for plain HTTP, and a WebSocket beyond the rest is refused with 503. gunicorn's bookkeeping spans
the session; the access log tells of it at its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout.service import WebSocketService
from turnout_adapters.gunicorn.exchange import Exchange
from turnout_adapters.gunicorn.settings import checked
from turnout_adapters.gunicorn.views import EndsWithWorker, ExchangeRequest
from turnout_adapters.threaded_wsgi import (
    ThreadedWsgiApplication,
    ThreadedWsgiRequest,
    ThreadedWsgiStrategy,
)
from turnout_compat.threads_runtime import ThreadsRuntime

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.wsgi import Environ, StartResponse, WsgiApplication

__all__ = ["GunicornGthreadApplication", "GunicornGthreadStrategy", "mount"]

THREADS = 1024
"""How many threads a worker of `serve` may have, each begun when it is first needed."""
IDLE = 75
"""Seconds that a kept connection waits for its next request, where options set no limit."""


class GunicornGthreadStrategy(ThreadedWsgiStrategy):
    """The standard driver on gunicorn's `gthread` worker.

    `configure` takes gunicorn's settings, by the names that a configuration file has for them:
    `threads` (1,024 by default), `workers`, `graceful_timeout`, `accesslog`, the hooks, ...
    `reserved_threads` is turnout's own: how many of them no WebSocket gets, 1 by default. By
    default there is one worker, and its log is left to the program's own logging.
    """

    name: ClassVar[str] = "gunicorn-gthread"
    distribution: ClassVar[str | None] = "gunicorn"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        self.native_settings.update(checked(self.name, self.take_reserved_threads(native)))
        return self

    def threads_of(self, request: ThreadedWsgiRequest) -> int:
        """Return how many threads of the worker sessions may have."""
        assert isinstance(request, GunicornRequest)
        return request.exchange.threads - self.reserved_threads

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> GunicornGthreadApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return GunicornGthreadApplication(registry, self, app)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; call it in the main thread.

        The calling process becomes gunicorn's arbiter, and a worker is forked from it.
        """
        from turnout_adapters.gunicorn.gthread_worker import ServingThreadWorker
        from turnout_adapters.gunicorn.server import serve

        WebSocketService(registry, self, ThreadsRuntime.shared())  # raises here, not in a worker
        options = registry.options
        patience = options.handshake_timeout
        defaults = {
            "threads": THREADS,
            "graceful_timeout": math.ceil(2 * options.close_timeout) + 30,
            "keepalive": IDLE if patience is None else math.ceil(patience),
        }
        native = {**defaults, **self.native_settings}
        serve(lambda: self.application(registry), settings, ServingThreadWorker, native)


class GunicornRequest(ExchangeRequest, ThreadedWsgiRequest):
    """A request that gunicorn's `gthread` worker has read."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        super().__init__(environ, start_response)
        if not environ.get("wsgi.multithread"):
            raise ConfigurationError("this application needs gunicorn's gthread worker: -k gthread")
        self.exchange = Exchange(environ, start_response)

    @property
    def early_bytes(self) -> bytes:
        """What gunicorn has read behind the request."""
        return self.exchange.take_early_bytes()


class GunicornGthreadApplication(EndsWithWorker, ThreadedWsgiApplication):
    """A WSGI application that serves a registry on gunicorn's worker for threads.

    `service` holds the sessions of this worker process. It drains them when the worker ends, once
    `drain_with_worker` was called.
    """

    request_class: ClassVar[type[ThreadedWsgiRequest]] = GunicornRequest


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: GunicornGthreadStrategy | None = None,
) -> GunicornGthreadApplication:
    """Return a WSGI application for `gunicorn -k gthread`: `app` with the registry in front.

    The other routes of `app` are untouched. When a worker ends, its sessions are closed with 1001;
    gunicorn's `graceful_timeout` has to leave them the time. The request's head is gunicorn's to
    read, so `handshake_timeout` is refused when it was set.
    """
    registry.options.check_mounted()
    strategy = strategy or GunicornGthreadStrategy()
    return strategy.application(registry, app).drain_with_worker()
