"""The strategy that takes Tornado's connection over: the standard driver on its transport."""

from __future__ import annotations

import asyncio
import difflib
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from tornado.httpserver import HTTPServer
from tornado.web import RequestHandler

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.tornado.takeover import take_over

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.tornado.views import TornadoRequest, TornadoResponse

__all__ = ["TornadoStrategy"]

MAX_HEADER_SIZE = 64 * 1024  # Tornado's own default
SERVER_SETTINGS = frozenset(inspect.signature(HTTPServer.initialize).parameters) - {
    "self",
    "request_callback",
    "ssl_options",  # tls_cert and tls_key say the same on every engine
}
APPLICATION_SETTINGS = frozenset(
    {
        "compress_response",
        "cookie_secret",
        "default_handler_args",
        "default_handler_class",
        "key_version",
        "log_function",
        "static_handler_args",
        "static_handler_class",
        "static_path",
        "static_url_prefix",
    }
)
KNOWN_SETTINGS = SERVER_SETTINGS | APPLICATION_SETTINGS | {"loop_factory"}
REPLACED = {
    "ssl_options": "tls_cert and tls_key",
    "websocket_max_message_size": "the options max_text_size and max_binary_size",
    "websocket_ping_interval": "the option ping_interval",
    "websocket_ping_timeout": "the option ping_timeout",
}


class TornadoStrategy(RequestUpgradeStrategy):
    """The standard driver on connections of a Tornado server, the default on Tornado.

    `configure` takes what `tornado.httpserver.HTTPServer` takes (such as `max_body_size` or
    `xheaders`), and those settings of `tornado.web.Application` that matter where there are no
    handlers of Tornado: cookies, static files, logging. `loop_factory` (such as
    `uvloop.new_event_loop`) makes the event loop. All are for `serve`; an application that exists
    has its own.
    """

    name: ClassVar[str] = "tornado"
    runtime: ClassVar[str] = "asyncio"
    distribution: ClassVar[str | None] = "tornado"
    capabilities: ClassVar[Capabilities] = Capabilities()
    handler_class: ClassVar[type[RequestHandler]] = RequestHandler
    """What is made for each request, and is its `native` object."""

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}
        self.requests: set[asyncio.Task[None]] = set()
        """The requests that are being answered; the event loop itself does not keep its tasks."""

    def configure(self, **native: Any) -> Self:
        """Set what only this server has; see the class."""
        for name in native:
            if name in REPLACED:
                raise ConfigurationError(f"{name} is not Tornado's to set: use {REPLACED[name]}")
            if name not in KNOWN_SETTINGS:
                raise ConfigurationError(_unknown(self.name, name))
        self.native_settings.update(native)
        return self

    @property
    def server_settings(self) -> dict[str, Any]:
        """What was set for the HTTP server."""
        return {k: v for k, v in self.native_settings.items() if k in SERVER_SETTINGS}

    @property
    def max_header_size(self) -> int:
        """How many bytes the head of a request may have."""
        return cast("int", self.native_settings.get("max_header_size") or MAX_HEADER_SIZE)

    @property
    def application_settings(self) -> dict[str, Any]:
        """What was set for the application."""
        return {k: v for k, v in self.native_settings.items() if k in APPLICATION_SETTINGS}

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101, take the connection from Tornado and drive it."""
        ours = cast("TornadoRequest", request), cast("TornadoResponse", response)
        await upgrade.start(await take_over(*ours, upgrade))

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.tornado.server import serve

        with asyncio.Runner(loop_factory=self.native_settings.get("loop_factory")) as runner:
            runner.run(serve(registry, settings, self))


def _unknown(engine: str, name: str) -> str:
    known = sorted(KNOWN_SETTINGS)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
    return f"the engine {engine!r} has no {name!r}; {hint}"
