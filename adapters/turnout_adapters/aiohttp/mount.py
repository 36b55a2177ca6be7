"""turnout inside an aiohttp application that already exists."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from turnout.errors import ConfigurationError, ConnectionClosed
from turnout.service import WebSocketService
from turnout_adapters.aiohttp.protocols import drop_early_data
from turnout_adapters.aiohttp.strategy import AiohttpStrategy
from turnout_adapters.aiohttp.views import AiohttpRequest, AiohttpResponse
from turnout_compat.asyncio_runtime import AsyncioRuntime

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["answer", "mount"]

log = logging.getLogger("turnout.aiohttp")

CLIENT_GONE = 499
"""What the access log shows for a client that went before its answer, as in nginx's."""


def mount(
    app: web.Application,
    registry: WebSocketHandlerRegistry,
    *,
    strategy: AiohttpStrategy | None = None,
) -> WebSocketService:
    """Serve the registry's paths within `app`, before it starts; return the service.

    The paths are whole paths, also where `app` is a sub-application. Everything else goes to the
    application's own routes: also a plain GET of a path that has a WebSocket handler here.
    Middlewares that are in `app.middlewares` by now run before turnout. The application's
    `on_shutdown` closes the sessions with 1001. The default strategy is `standard`. The time that a
    request takes to arrive is the host's matter: `handshake_timeout` is refused when it was set.

    Raises `ConfigurationError` for an application that has started, and for a strategy with
    settings of a server: here they are the host's.
    """
    strategy = strategy or AiohttpStrategy()
    _check(app, strategy)
    registry.options.check_mounted()
    runtime = AsyncioRuntime.unbound()
    service = WebSocketService(registry, strategy, runtime)

    async def bind(app: web.Application) -> None:
        runtime.bind(asyncio.get_running_loop())

    async def drain(app: web.Application) -> None:
        await service.drain()

    app.on_startup.append(bind)
    app.on_shutdown.append(drain)
    app.middlewares.append(_middleware(service))
    return service


def _check(app: web.Application, strategy: AiohttpStrategy) -> None:
    if app.pre_frozen:
        raise ConfigurationError(
            "the application has started, or is part of another one, and cannot be changed any"
            " more: mount before that"
        )
    if strategy.native_settings:
        names = ", ".join(sorted(strategy.native_settings))
        raise ConfigurationError(f"{names}: in an application of yours, its own runner has these")


def _middleware(service: WebSocketService) -> Middleware:
    @web.middleware
    async def turnout(request: web.Request, handler: Handler) -> web.StreamResponse:
        view = AiohttpRequest(request)
        if service.claims(view):
            response = await answer(service, view)
            if response is not None:
                return response
        return await handler(request)

    return turnout


async def answer(service: WebSocketService, request: AiohttpRequest) -> web.StreamResponse | None:
    """Let the service answer; return what the handler returns to aiohttp, None if not its own."""
    response = AiohttpResponse(request.native)
    try:
        await service.handle(request, response)
    except ConnectionClosed:
        # aiohttp logs with a traceback what is raised; what it cannot write any more, it drops.
        return web.Response(status=CLIENT_GONE) if response.native is None else response.native
    except Exception:
        transport = request.native.transport
        if not response.switched or transport is None:
            raise
        log.exception("a WebSocket failed after its 101; its connection is cut")
        transport.abort()
    finally:
        response.release()
    if response.native is not None and not response.switched and drop_early_data(request.native):
        response.native.force_close()
    return response.native
