"""The upgrade strategy of daphne."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["DaphneStrategy"]

SETTINGS = frozenset(("action_logger", "http_timeout", "request_buffer_size", "root_path"))
BY_TURNOUT = {
    "application": "the registry",
    "application_close_timeout": "the option close_timeout",
    "endpoints": "host, port, unix and tls_cert in serve()",
    "ping_interval": "the option ping_interval",
    "ping_timeout": "the option ping_timeout",
    "proxy_forwarded_address_header": "trusted_proxies of the registry",
    "proxy_forwarded_port_header": "trusted_proxies of the registry",
    "proxy_forwarded_proto_header": "trusted_proxies of the registry",
    "websocket_connect_timeout": "the option handshake_timeout",
    "websocket_handshake_timeout": "the option handshake_timeout",
    "websocket_max_frame_size": "the options max_text_size and max_binary_size",
    "websocket_max_message_size": "the options max_text_size and max_binary_size",
    "websocket_timeout": "the option idle_timeout",
}
"""Settings of daphne that turnout has another place for."""


class DaphneStrategy(AsgiStrategy):
    """WebSockets as autobahn reads and writes them for daphne. `session.native` is the scope.

    `configure` takes `action_logger`, `http_timeout`, `request_buffer_size` and `root_path` of
    daphne's server, for `serve` only. daphne drops frames that come together with the request.
    Its reactor runs once in a process: `serve` cannot be called again there.
    """

    name: ClassVar[str] = "daphne"
    distribution: ClassVar[str | None] = "daphne"
    needs_own_server: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(
        partial_messages=False,
        partial_send=False,
        early_bytes=False,
        bounded_heads=False,
    )

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only daphne has; raise `ConfigurationError` for what it has not."""
        check_native_settings(self.name, native, SETTINGS, BY_TURNOUT)
        self.native_settings.update(native)
        return self

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.daphne.server import serve

        serve(registry, settings, self)
