"""A pocket-sized server and its upgrade strategy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from turnout import RequestUpgradeStrategy, WebSocketService
from turnout.protocol.connection import StandardConnection
from turnout_compat.asyncio_runtime import AsyncioRuntime
from turnout_compat.asyncio_serving import listen, termination
from turnout_compat.asyncio_transport import AsyncioTransport, bound_address
from turnout_pocket.server import PocketProtocol, PocketResponse

if TYPE_CHECKING:
    from turnout import (
        ServerHttpRequest,
        ServerHttpResponse,
        ServerSettings,
        Upgrade,
        WebSocketHandlerRegistry,
    )

__all__ = ["PocketStrategy"]


class PocketStrategy(RequestUpgradeStrategy):
    """The standard driver on the pocket server; everything that is negotiated is decided above."""

    name = "pocket"
    runtime = "asyncio"
    distribution = "turnout-pocket"

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101, give the socket to the standard driver, run the session."""
        assert isinstance(response, PocketResponse)
        transport, early_data = response.switch_protocols(upgrade.response_headers)
        connection = StandardConnection(
            AsyncioTransport(transport),
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
            early_data=early_data,
        )
        transport.set_protocol(connection)  # type: ignore[arg-type]  # it has the methods of one
        await upgrade.run(connection)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        asyncio.run(self._serve(registry, settings))

    async def _serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        service = WebSocketService(registry, self, AsyncioRuntime())
        limit = registry.options.handshake_timeout
        async with termination() as asked:
            server = await listen(lambda: PocketProtocol(service), settings, limit, {})
            settings.announce(bound_address(server))
            await asked.wait()
            server.close()
            await service.drain()
        if settings.unix is not None:
            settings.unix.unlink(missing_ok=True)
