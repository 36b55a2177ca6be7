"""aiohttp's own server for a registry alone: listening, time limits, and an orderly stop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from turnout.handshake.redaction import redact_queries_of
from turnout.service import WebSocketService
from turnout_adapters.aiohttp.mount import answer
from turnout_adapters.aiohttp.settings import handler_settings
from turnout_adapters.aiohttp.views import AiohttpRequest
from turnout_compat.asyncio_runtime import AsyncioRuntime
from turnout_compat.asyncio_serving import listen, termination
from turnout_compat.asyncio_transport import bound_address

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.runtime import Timer
    from turnout.serving import ServerSettings
    from turnout_adapters.aiohttp.strategy import AiohttpStrategy

__all__ = ["serve"]


async def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: AiohttpStrategy
) -> None:
    """Serve until SIGINT or SIGTERM, then drain."""
    redact_queries_of("aiohttp.access")
    native = strategy.native_settings
    service = WebSocketService(registry, strategy, AsyncioRuntime())
    options = {name: value for name, value in native.items() if name in handler_settings()}
    shutdown_timeout = native.get("shutdown_timeout", registry.options.close_timeout)
    server = RegistryServer(service, **options)
    runner = web.ServerRunner(server, shutdown_timeout=shutdown_timeout)
    async with termination() as asked:
        await runner.setup()
        try:
            listener = await listen(server, settings, registry.options.handshake_timeout, native)
            settings.announce(bound_address(listener))
            await asked.wait()
            listener.close()
            await service.drain()
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)  # what was closed now is lost one turn later
            if settings.unix is not None:
                settings.unix.unlink(missing_ok=True)


class RegistryServer(web.Server):
    """Answers every request from a registry, and cuts connections on which none arrives.

    aiohttp has no limit for the time that a request takes to arrive: `handshake_timeout` runs from
    the connection, or from the last answer on it, to the next request.
    """

    def __init__(self, service: WebSocketService, **options: Any) -> None:
        super().__init__(self._answer, **options)
        self._service = service
        self._timers: dict[web.RequestHandler, Timer] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Begin to wait for a request."""
        super().connection_made(handler, transport)
        self._expect_request(handler, transport)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Wait no more."""
        self._stop_timer(handler)
        super().connection_lost(handler, exc)

    async def _answer(self, native: web.BaseRequest) -> web.StreamResponse:
        handler = native.protocol
        self._stop_timer(handler)
        try:
            response = await answer(self._service, AiohttpRequest(native))
            return web.Response(status=404, text="Not Found") if response is None else response
        finally:
            transport = native.transport  # none once the connection is lost, or a WebSocket's
            if transport is not None and not transport.is_closing():
                self._expect_request(handler, transport)

    def _expect_request(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        limit = self._service.registry.options.handshake_timeout
        if limit is not None:
            timed_out = partial(self._timed_out, handler, transport)
            self._timers[handler] = self._service.runtime.deadline(limit, timed_out)

    def _timed_out(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size():  # the last answer is still on its way
            self._expect_request(handler, transport)
        else:
            del self._timers[handler]
            transport.close()

    def _stop_timer(self, handler: web.RequestHandler) -> None:
        timer = self._timers.pop(handler, None)
        if timer is not None:
            timer.cancel()
