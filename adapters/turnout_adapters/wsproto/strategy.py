"""The upgrade strategy of the standard engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout.protocol.connection import StandardConnection
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import AsyncioTransport

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["WsprotoStrategy"]

NATIVE_SETTINGS = (
    "loop_factory",
    "max_header_size",
    "reuse_port",
    "ssl_handshake_timeout",
    "ssl_shutdown_timeout",
)


class WsprotoStrategy(RequestUpgradeStrategy):
    """The standard driver on its own asyncio server.

    `configure` takes `loop_factory` (such as `uvloop.new_event_loop`), `max_header_size` (bytes,
    default 64 KiB), and asyncio's `reuse_port`, `ssl_handshake_timeout`, `ssl_shutdown_timeout`.
    """

    name: ClassVar[str] = "wsproto"
    runtime: ClassVar[str] = "asyncio"
    distribution: ClassVar[str | None] = "wsproto"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        for name in native:
            if name not in NATIVE_SETTINGS:
                raise ConfigurationError(
                    f"the engine {self.name!r} has no {name!r}; it has {', '.join(NATIVE_SETTINGS)}"
                )
        self.native_settings.update(native)
        return self

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 and give the transport to the standard driver."""
        transport, early = response.switch(upgrade.response_headers)  # type: ignore[attr-defined]  # ours
        connection = StandardConnection(
            AsyncioTransport(transport),
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
            early_data=early,
        )
        transport.set_protocol(connection)
        await upgrade.start(connection)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        factory: Callable[[], asyncio.AbstractEventLoop] | None
        factory = self.native_settings.get("loop_factory")
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._serve(registry, settings))

    async def _serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        from turnout_adapters.wsproto.server import start

        async with termination() as asked:
            server = await start(registry, settings, strategy=self)
            settings.announce(server.address)
            await asked.wait()
            await server.stop()
