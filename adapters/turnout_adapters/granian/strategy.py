"""The upgrade strategy of granian."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from granian.server.embed import Server

from turnout.capabilities import Capabilities
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_compat.granian_sockets import cut
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.asgi.request import AsgiRequest

__all__ = ["GranianStrategy"]

BY_TURNOUT = {
    "target": "the registry",
    "address": "host in serve()",
    "port": "port in serve()",
    "uds": "unix in serve()",
    "backlog": "backlog in serve()",
    "ssl_cert": "tls_cert in serve()",
    "ssl_key": "tls_key in serve()",
    "url_path_prefix": "the paths of the handlers",
}
"""Settings of granian that turnout has another place for."""
OF_APPLICATIONS = frozenset(
    ("factory", "interface", "log_enabled", "log_dictconfig", "log_level", "websockets")
)


class GranianStrategy(AsgiStrategy):
    """WebSockets as granian reads and writes them, in Rust. `session.native` is the scope.

    `configure` takes the settings of `granian.server.embed.Server`, by its names, and
    `loop_factory` (such as `uvloop.new_event_loop`); they count in `serve` only.
    """

    name: ClassVar[str] = "granian"
    distribution: ClassVar[str | None] = "granian"
    capabilities: ClassVar[Capabilities] = replace(
        AsgiStrategy.capabilities,
        early_bytes=True,
        bounded_heads=True,
        unsupported_options=AsgiStrategy.capabilities.unsupported_options | {"handshake_timeout"},
    )

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only granian has; raise `ConfigurationError` for what it has not."""
        check_native_settings(self.name, native, granian_settings(), BY_TURNOUT)
        self.native_settings.update(native)
        return self

    def cut(self, request: AsgiRequest) -> None:
        """Cut a connection by its socket; clients on a Unix socket cannot be told apart."""
        local, remote = request.local_address, request.remote_address
        if isinstance(local, tuple) and isinstance(remote, tuple):
            cut(local, remote)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.granian.server import serve

        with asyncio.Runner(loop_factory=self.native_settings.get("loop_factory")) as runner:
            runner.run(serve(registry, settings, self))


@cache
def granian_settings() -> frozenset[str]:
    """Return the settings of the installed granian that mean something here."""
    names = inspect.signature(Server.__init__).parameters.keys() - {"self"}
    return frozenset((names - BY_TURNOUT.keys() - OF_APPLICATIONS) | {"loop_factory"})
