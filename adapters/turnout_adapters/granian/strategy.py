"""The two upgrade strategies of granian."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from granian.server.embed import Server

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_adapters.granian.handover import handover_of
from turnout_compat.granian_sockets import HeldConnection, cut, hold, until_peer_ends
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse

__all__ = ["GranianStrategy", "NativeGranianStrategy"]

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
    """turnout's own driver on connections that granian has accepted; `session.native` is the scope.

    granian has what comes over TLS or a Unix socket to itself: there is the native strategy for
    those, and for an application that `granian --interface asgi` serves. It drops frames that come
    together with the request, and answers broken handshakes by itself.

    `configure` takes the settings of `granian.server.embed.Server`, by its names, and
    `loop_factory` (such as `uvloop.new_event_loop`); they count in `serve` only.
    """

    name: ClassVar[str] = "granian"
    distribution: ClassVar[str | None] = "granian"
    capabilities: ClassVar[Capabilities] = Capabilities(
        early_bytes=False,
        handshake_checks=False,
        plain_refusals=False,
        tls=False,
        unix_sockets=False,
        unsupported_options=frozenset({"handshake_timeout"}),
    )

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only granian has; raise `ConfigurationError` for what it has not."""
        check_native_settings(self.name, native, granian_settings(), BY_TURNOUT)
        self.native_settings.update(native)
        return self

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Take the connection over."""
        handover = handover_of(request.native)
        if handover is None:
            raise ConfigurationError(
                "the standard strategy of granian needs turnout to serve; in an application that"
                " granian serves, leave the strategy out"
            )
        asgi_request, asgi_response = cast("AsgiRequest", request), cast("AsgiResponse", response)
        await handover.take_over(asgi_request, asgi_response, upgrade)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM; raise `ConfigurationError` where it has to be native."""
        from turnout_adapters.granian.server import serve

        self._check(settings)
        with asyncio.Runner(loop_factory=self.native_settings.get("loop_factory")) as runner:
            runner.run(serve(registry, settings, self))

    def _check(self, settings: ServerSettings) -> None:
        for is_wanted, what in (
            (settings.tls_cert is not None and not self.capabilities.tls, "TLS"),
            (settings.unix is not None and not self.capabilities.unix_sockets, "Unix sockets"),
        ):
            if is_wanted:
                raise ConfigurationError(f"granian serves {what} with --strategy native only")


class NativeGranianStrategy(GranianStrategy):
    """WebSockets as granian reads and writes them, in Rust. `session.native` is the scope."""

    capabilities: ClassVar[Capabilities] = replace(
        AsgiStrategy.capabilities,
        early_bytes=True,
        bounded_heads=True,
        unsupported_options=AsgiStrategy.capabilities.unsupported_options | {"handshake_timeout"},
    )

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Accept, and run the session over the events of the scope."""
        await AsgiStrategy.upgrade(self, request, response, upgrade)

    @asynccontextmanager
    async def closing(self, request: AsgiRequest) -> AsyncIterator[None]:
        """Wait for the peer's end behind the close frame, where granian would cut it off."""
        held = _hold(request)
        if held is None:
            yield
            return
        with held.socket:
            yield
            await until_peer_ends(held.socket)

    def cut(self, request: AsgiRequest) -> None:
        """Cut a connection by its socket."""
        held = _hold(request)
        if held is not None:
            cut(held.socket)


GranianStrategy.variants = {"standard": GranianStrategy, "native": NativeGranianStrategy}


def _hold(request: AsgiRequest) -> HeldConnection | None:
    handover = handover_of(request.native)
    assert handover is not None, "turnout serves it"
    return hold(request.local_address, request.remote_address, handover.since)


@cache
def granian_settings() -> frozenset[str]:
    """Return the settings of the installed granian that mean something here."""
    names = inspect.signature(Server.__init__).parameters.keys() - {"self"}
    return frozenset((names - BY_TURNOUT.keys() - OF_APPLICATIONS) | {"loop_factory"})
