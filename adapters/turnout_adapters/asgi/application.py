"""The ASGI application: which scopes are turnout's, and the life of the server around them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from turnout.errors import ConfigurationError, ConnectionClosed
from turnout.service import WebSocketService
from turnout_adapters.asgi.lifespan import Lifespan
from turnout_adapters.asgi.reactor import drain_with_reactor
from turnout_adapters.asgi.receiver import Receiver
from turnout_adapters.asgi.request import AsgiRequest
from turnout_adapters.asgi.response import AsgiResponse
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_adapters.asgi.takeover import takeover_host
from turnout_compat.asyncio_runtime import AsyncioRuntime
from turnout_compat.granian_shutdown import before_shutdown, wait_at_shutdown
from turnout_compat.hypercorn_shutdown import drain_at_termination

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout_adapters.asgi.types import AsgiApp, Receive, Scope, Send

__all__ = ["AsgiApplication", "mount"]


class AsgiApplication:
    """Serves the paths of a registry; everything else goes on to `app`, or is answered 404.

    Paths are those below the `root_path` of the scope. `service` holds the sessions. It belongs to
    the event loop of the first scope that it gets, and to the next one's when that loop is closed.
    With `http_only`, `app` gets no other scopes than plain HTTP's, as it has no answer to them.
    Raises `UnsupportedOptionError` for an option that the strategy cannot honour.
    """

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: AsgiStrategy | None = None,
        app: AsgiApp | None = None,
        *,
        http_only: bool = False,
    ) -> None:
        wait_at_shutdown()
        self._app = app
        self._http_only = http_only
        self._runtime = AsyncioRuntime.unbound()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._default = AsgiStrategy() if strategy is None else None
        chosen = strategy or self._default
        assert chosen is not None
        self.service: WebSocketService = WebSocketService(registry, chosen, self._runtime)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope: `http`, `websocket` or `lifespan`."""
        self._bind(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            app = None if self._http_only else self._app
            await Lifespan(self.service, app).run(scope, receive, send)
        elif scope["type"] in {"http", "websocket"}:
            await self._answer(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        else:
            raise ConfigurationError(f"turnout serves no scope of type {scope['type']!r}")

    def claims(self, scope: Scope) -> bool:
        """Tell whether this answers a scope itself, and does not leave it to the application."""
        return self._claims(AsgiRequest(scope, Receiver.unused()))

    def _claims(self, request: AsgiRequest) -> bool:
        if self._app is None or (self._http_only and request.native["type"] == "websocket"):
            return True
        return self.service.claims(request)

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed() and len(self.service):
            raise ConfigurationError(
                "this application has open sessions on another event loop: make one for each loop"
            )
        self._loop = loop
        self._runtime.bind(loop)
        drain_with_reactor(loop, self.service)
        before_shutdown(loop, self.service.drain)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        receiver = Receiver(receive)
        request = AsgiRequest(scope, receiver)
        if not self._claims(request):
            assert self._app is not None
            await self._app(scope, receive, send)
            return
        self._choose_strategy(scope)
        drain_at_termination(send, self.service.drain)
        response = AsgiResponse(scope, receiver, send)
        try:
            await receiver.begin(scope)
            if not await self.service.handle(request, response):
                await response.send(404, [("Content-Type", "text/plain")], b"Not Found")
            del request  # an idle session needs nothing of it
            if response.rest is not None:
                await response.rest()
        except ConnectionClosed:
            pass  # the client went; there is nobody to tell
        finally:
            await receiver.release()
            receiver.forget()
            response.forget()

    def _choose_strategy(self, scope: Scope) -> None:
        """Take the strategy of a host that gives its connection away; an explicit one wins."""
        if self._default is not None and scope["type"] == "websocket":
            host = takeover_host(scope)
            self.service.strategy = self._default if host is None else host.strategy


def mount(
    app: AsgiApp,
    registry: WebSocketHandlerRegistry,
    strategy: AsgiStrategy | None = None,
    *,
    http_only: bool = False,
) -> AsgiApplication:
    """Return an ASGI application that serves the registry's paths, and `app` everything else.

    A plain GET of a path that has a WebSocket handler here goes to `app` too. The lifespan of `app`
    goes on as before; its shutdown closes the sessions with 1001. The time that a request takes to
    arrive is the host's matter: `handshake_timeout` is refused when it was set. With `http_only`,
    for an application that raises for anything but plain HTTP, such as Django's, turnout answers
    the lifespan, and 404 to WebSockets that are nobody's.

    Raises `ConfigurationError` for a strategy that can do what it says on its own server only.
    """
    registry.options.check_mounted()
    if strategy is not None and strategy.needs_own_server:
        raise ConfigurationError(
            f"{type(strategy).__name__} is for `serve` and the server that it starts: leave it out"
            " here, and turnout does what can be done on the host"
        )
    return AsgiApplication(registry, strategy, app, http_only=http_only)
