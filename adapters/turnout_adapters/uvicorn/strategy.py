"""The upgrade strategies of uvicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_adapters.uvicorn.settings import BY_TURNOUT, uvicorn_settings
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = [
    "UvicornSansioStrategy",
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
    websocket_implementation: ClassVar[Any] = "auto"
    """What uvicorn calls `ws`: a name of its own, or a protocol class."""

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


class UvicornSansioStrategy(UvicornStrategy):
    """uvicorn's default: the sans-I/O core of the package websockets."""

    websocket_implementation: ClassVar[Any] = "websockets-sansio"


class UvicornWebsocketsStrategy(UvicornStrategy):
    """The legacy server of the package websockets, which uvicorn has deprecated."""

    websocket_implementation: ClassVar[Any] = "websockets"


class UvicornWsprotoStrategy(UvicornStrategy):
    """wsproto, as uvicorn drives it."""

    websocket_implementation: ClassVar[Any] = "wsproto"


UvicornStrategy.variants = {
    "websockets-sansio": UvicornSansioStrategy,
    "websockets": UvicornWebsocketsStrategy,
    "wsproto": UvicornWsprotoStrategy,
}
