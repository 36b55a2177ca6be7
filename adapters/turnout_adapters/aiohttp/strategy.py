"""The two upgrade strategies of aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from aiohttp import web

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.handshake.refusal import logged_refusal, refuse
from turnout.protocol.connection import StandardConnection
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.aiohttp.native import NativeConnection, websocket_response
from turnout_adapters.aiohttp.protocols import let_go, take_early_data
from turnout_adapters.aiohttp.settings import check_settings
from turnout_compat.aiohttp_websocket import DetachedWebSocket
from turnout_compat.asyncio_takeover import Takeover
from turnout_compat.asyncio_transport import AsyncioTransport

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout.session.connection import Connection
    from turnout_adapters.aiohttp.views import AiohttpResponse

__all__ = ["AiohttpStrategy", "NativeAiohttpStrategy"]


class AiohttpStrategy(RequestUpgradeStrategy):
    """The standard driver on a connection that aiohttp has accepted.

    `session.native` is aiohttp's request. `configure` takes the settings of aiohttp's own server,
    by its names (see `settings`); they count in `serve` only.
    """

    name: ClassVar[str] = "aiohttp"
    runtime: ClassVar[str] = "asyncio"
    distribution: ClassVar[str | None] = "aiohttp"
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only aiohttp's server has; raise `ConfigurationError` for what it has not."""
        check_settings(self.name, native)
        self.native_settings.update(native)
        return self

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 and take the connection over."""
        native: web.BaseRequest = request.native
        _check_upgraded(request)
        transport = await cast("AiohttpResponse", response).switch(upgrade.response_headers)
        connection = self._connect(native, transport, upgrade)
        early = take_early_data(native)
        in_application = isinstance(native, web.Request)
        if in_application:
            Takeover(transport, connection)
        else:
            transport.set_protocol(cast("asyncio.Protocol", connection))
        if early:
            connection.data_received(early)
        if native.protocol.writing_paused:
            connection.pause_writing()
        if in_application:  # its middlewares are around the handler until the session is over
            await upgrade.run(connection)
        else:
            await _start(upgrade, connection, native)

    def _connect(
        self, native: web.BaseRequest, transport: asyncio.Transport, upgrade: Upgrade
    ) -> StandardConnection:
        return StandardConnection(
            AsyncioTransport(transport, native),
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
        )

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.aiohttp.server import serve

        with asyncio.Runner(loop_factory=self.native_settings.get("loop_factory")) as runner:
            runner.run(serve(registry, settings, self))


class NativeAiohttpStrategy(AiohttpStrategy):
    """aiohttp's own `WebSocketResponse`, which is `session.native`.

    It reads and writes control frames, and reads messages in fragments. What is in one frame passes
    it by, and so does permessage-deflate: aiohttp has no windows that could be bounded. Handlers
    get whole messages only.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(partial_messages=False, partial_send=False)

    def _connect(
        self, native: web.BaseRequest, transport: asyncio.Transport, upgrade: Upgrade
    ) -> StandardConnection:
        options, sub_protocol = upgrade.options, upgrade.sub_protocol
        loop = asyncio.get_running_loop()

        def prepare() -> DetachedWebSocket:
            response = websocket_response(options, sub_protocol)
            made = DetachedWebSocket.prepare(response, native, transport, sub_protocol, loop)
            return drive(made)

        wire = AsyncioTransport(transport, native)
        return NativeConnection(wire, options, upgrade.deflate, prepare)


async def _start(upgrade: Upgrade, connection: Connection, native: web.BaseRequest) -> None:
    try:
        await upgrade.start(connection)
    finally:
        let_go(native)


AiohttpStrategy.variants = {"standard": AiohttpStrategy, "native": NativeAiohttpStrategy}


def _check_upgraded(request: ServerHttpRequest) -> None:
    """Refuse what aiohttp's parser took for HTTP: it has read what follows as more requests."""
    if request.native.headers.get("Upgrade", "").lower() != "websocket":
        with logged_refusal(request, "aiohttp's parser"):
            refuse(400, 'The "Upgrade" header must name "websocket" alone.')
