"""uvicorn's own server for a registry alone: listening, and an orderly end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from turnout.handshake.redaction import redact_queries_of
from turnout_adapters.asgi import AsgiApplication
from turnout_adapters.uvicorn.handshake import careful
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.listening import address_of_socket, listening

if TYPE_CHECKING:
    import socket

    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.uvicorn.strategy import UvicornStrategy

__all__ = ["serve"]

LARGEST = 1 << 62
"""uvicorn's own limit is out of the way: each handler has its own, and a guard holds them."""

DEFAULTS: dict[str, Any] = {
    "log_config": None,  # whose program it is sets up its logging
    "proxy_headers": False,  # turnout has trusted proxies of its own, per handler
    "server_header": False,
    "date_header": False,
}


def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: UvicornStrategy
) -> None:
    """Serve until SIGINT or SIGTERM, then drain."""
    redact_queries_of("uvicorn.access", "uvicorn.error")
    app = AsgiApplication(registry, strategy)
    limit = registry.options.close_timeout
    native = {**DEFAULTS, **strategy.native_settings}
    config = uvicorn.Config(
        app,
        lifespan="off",
        backlog=settings.backlog,
        ws=strategy.websocket_implementation,
        ws_max_size=LARGEST,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=max(1, round(limit)),
        **native,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(RegistryServer(config, app, settings).run_until_terminated())


class RegistryServer(uvicorn.Server):
    """A uvicorn that drains before it closes what is left.

    By itself it sends 1012 to every WebSocket, and raises the signal again when it has ended.
    """

    def __init__(
        self, config: uvicorn.Config, app: AsgiApplication, settings: ServerSettings
    ) -> None:
        strategy = cast("UvicornStrategy", app.service.strategy)
        config.load()
        config.ssl = tls_context(settings)
        config.http_protocol_class = careful(
            config.http_protocol_class,
            app.service.registry,
            checks=strategy.keeps_broken_handshakes,
        )
        super().__init__(config)
        self.lifespan = config.lifespan_class(config)
        self._app = app
        self._settings = settings

    async def run_until_terminated(self) -> None:
        """Listen, announce it, and serve until a signal asks for the end."""
        async with termination() as asked:
            with listening(self._settings) as sockets:
                await self._serve_on(sockets, asked)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections; uvicorn by itself has no limit for a peer that does not begin TLS."""
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"backlog": self.config.backlog, "ssl": self.config.ssl}
        if self.config.ssl is not None:
            limit = self._app.service.registry.options.handshake_timeout
            options["ssl_handshake_timeout"] = limit
        self.servers = [
            await loop.create_server(self._make_protocol, sock=one, **options)
            for one in sockets or ()
        ]
        self.started = True

    def _make_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def _serve_on(self, sockets: list[socket.socket], asked: asyncio.Event) -> None:
        await self.startup(sockets)
        ticking = asyncio.create_task(self.main_loop())
        asking = asyncio.create_task(asked.wait())
        self._settings.announce(address_of_socket(sockets[0]))
        await asyncio.wait([ticking, asking], return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        self.should_exit = True
        for server in self.servers:
            server.close()
        await self._app.service.drain()
        await ticking
        await self.shutdown(sockets)
