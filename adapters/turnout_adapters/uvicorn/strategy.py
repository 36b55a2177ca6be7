"""The upgrade strategies of uvicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_adapters.asgi.takeover import takeover_host
from turnout_adapters.uvicorn.settings import BY_TURNOUT, uvicorn_settings
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout.strategy import Upgrade

__all__ = [
    "UvicornSansioStrategy",
    "UvicornStandardStrategy",
    "UvicornStrategy",
    "UvicornWebsocketsStrategy",
    "UvicornWsprotoStrategy",
]


class UvicornStrategy(AsgiStrategy):
    """What the strategies of uvicorn share. `session.native` is the scope.

    `configure` takes the settings of `uvicorn.Config`, by its names; they count in `serve` only.
    """

    name: ClassVar[str] = "uvicorn"
    distribution: ClassVar[str | None] = "uvicorn"
    websocket_implementation: ClassVar[str] = "auto"
    """What uvicorn calls `ws`: a name of its own, or where a protocol class is imported from."""
    keeps_broken_handshakes: ClassVar[bool] = True
    """Whether uvicorn's HTTP keeps requests that its WebSocket implementation would misjudge."""
    needs_own_server: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(
        partial_messages=False, partial_send=False, early_bytes=False
    )

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only uvicorn has; raise `ConfigurationError` for what it has not."""
        check_native_settings(self.name, native, uvicorn_settings(), BY_TURNOUT)
        self.native_settings.update(native)
        return self

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.uvicorn.server import serve

        serve(registry, settings, self)


class UvicornStandardStrategy(UvicornStrategy):
    """turnout's own driver, as uvicorn's WebSocket protocol.

    In an application of yours, run uvicorn with
    `--ws turnout_adapters.uvicorn:WebSocketProtocol`; a handshake on another one is answered 500.
    uvicorn drops frames that come together with the request.
    """

    needs_own_server: ClassVar[bool] = False
    capabilities: ClassVar[Capabilities] = Capabilities(early_bytes=False)
    websocket_implementation: ClassVar[str] = "turnout_adapters.uvicorn:WebSocketProtocol"
    keeps_broken_handshakes: ClassVar[bool] = False

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Take the connection over."""
        if request.native["type"] == "websocket" and takeover_host(request.native) is None:
            raise ConfigurationError(
                "the standard strategy of uvicorn needs turnout's driver in uvicorn: run it with"
                " --ws turnout_adapters.uvicorn:WebSocketProtocol"
            )
        await super().upgrade(request, response, upgrade)


class UvicornSansioStrategy(UvicornStrategy):
    """uvicorn's default: the sans-I/O core of the package websockets."""

    websocket_implementation: ClassVar[str] = "turnout_compat.uvicorn_frames:GuardedSansioProtocol"


class UvicornWebsocketsStrategy(UvicornStrategy):
    """The legacy server of the package websockets, which uvicorn has deprecated."""

    websocket_implementation: ClassVar[str] = (
        "turnout_compat.uvicorn_legacy_frames:GuardedLegacyProtocol"
    )


class UvicornWsprotoStrategy(UvicornStrategy):
    """wsproto, as uvicorn drives it."""

    websocket_implementation: ClassVar[str] = "turnout_compat.uvicorn_frames:GuardedWsprotoProtocol"


UvicornStrategy.variants = {
    "standard": UvicornStandardStrategy,
    "websockets-sansio": UvicornSansioStrategy,
    "websockets": UvicornWebsocketsStrategy,
    "wsproto": UvicornWsprotoStrategy,
}
