"""What holds for every WebSocket of an application that is not turnout's: uvicorn's settings."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakKeyDictionary

from turnout.capabilities import Capabilities
from turnout.handlers.base import WebSocketHandler
from turnout.handlers.traits import prepare
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.origins import OriginPolicy
from turnout.options import Deflate, WebSocketOptions
from turnout.registry import WebSocketHandlerRegistry
from turnout.service import WebSocketService
from turnout_adapters.wsproto.strategy import WsprotoStrategy
from turnout_compat.asyncio_runtime import AsyncioRuntime

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from turnout.handlers.traits import PreparedHandler
    from turnout.http import ServerHttpRequest
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension

__all__ = ["CLOSE_TIMEOUT", "ForeignApplication"]

CLOSE_TIMEOUT: Final = 10.0
"""Seconds for the peer's close frame, as in uvicorn's own implementations."""
EVERY_ORIGIN: Final = OriginPolicy.of("*", (), ())
VERSIONS: Final = ("13",)


class ForeignApplication:
    """The settings of one server, in turnout's terms, and what sessions need besides.

    A slow peer holds the application back for as long as it takes, as uvicorn has it.
    """

    _of_servers: ClassVar[WeakKeyDictionary[ServerState, ForeignApplication]] = WeakKeyDictionary()

    def __init__(self, config: Config) -> None:
        self.options: WebSocketOptions = WebSocketOptions(
            max_text_size=config.ws_max_size,
            max_binary_size=config.ws_max_size,
            ping_interval=config.ws_ping_interval or None,
            ping_timeout=config.ws_ping_timeout,
            compression=Deflate(threshold=0) if config.ws_per_message_deflate else None,
            close_timeout=CLOSE_TIMEOUT,
            send_timeout=None,
            send_buffer=None,
            max_connections=None,
        )
        self.max_queue: int = config.ws_max_queue or sys.maxsize  # None and 0: no limit
        self.runtime: AsyncioRuntime = AsyncioRuntime(asyncio.get_running_loop())
        self.service: WebSocketService = WebSocketService(
            WebSocketHandlerRegistry(options=self.options), WsprotoStrategy(), self.runtime
        )
        self.handler: PreparedHandler = prepare(WebSocketHandler(), lambda handler: handler)
        self._handshake = HandshakeHandler()

    @classmethod
    def of(cls, config: Config, server: ServerState) -> ForeignApplication:
        """Return what holds for a server; made at its first WebSocket."""
        found = cls._of_servers.get(server)
        if found is None:
            found = cls._of_servers[server] = cls(config)
        return found

    def check(
        self, request: ServerHttpRequest
    ) -> tuple[tuple[WebSocketExtension, ...], DeflateParameters | None]:
        """Return the extensions in use; raise `HandshakeRefused` by the first check that fails.

        Origins and sub-protocols are the application's matter.
        """
        self._handshake.check(request, VERSIONS, EVERY_ORIGIN)
        return self._handshake.negotiate_extensions(request, self.options, Capabilities())
