"""The asyncio server of the standard engine: listening, and an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from turnout.close import CloseStatus
from turnout.service import WebSocketService
from turnout.serving import ServerSettings
from turnout_adapters.wsproto.http import HttpConnection
from turnout_adapters.wsproto.strategy import WsprotoStrategy
from turnout_compat.asyncio_runtime import AsyncioRuntime
from turnout_compat.asyncio_serving import listen
from turnout_compat.asyncio_transport import bound_address

if TYPE_CHECKING:
    from turnout.http import Address
    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["RunningServer", "start"]

MAX_HEADER_SIZE = 64 * 1024


class RunningServer:
    """A server that listens; `address` is where, `service` holds its sessions."""

    def __init__(self, service: WebSocketService, max_header_size: int) -> None:
        self.service = service
        self._max_header_size = max_header_size
        self._connections: set[HttpConnection] = set()
        self._stopping = False
        self._server: asyncio.Server
        self.address: Address

    async def listen(self, settings: ServerSettings, native: dict[str, Any]) -> None:
        """Bind and begin to accept; `start` calls it."""
        limit = self.service.registry.options.handshake_timeout
        self._server = await listen(self._make, settings, limit, native)
        self._unix = settings.unix
        self.address = bound_address(self._server)

    def _make(self) -> HttpConnection:
        connection = HttpConnection(self.service, self._connections, self._max_header_size)
        if self._stopping:  # it had been accepted before the listener was closed
            connection.stop_when_idle()
        return connection

    async def stop(self, timeout: float | None = None, code: int = 1001, reason: str = "") -> None:
        """Stop accepting, drain every session, let running requests end, then cut the rest."""
        CloseStatus(code, reason).check_sendable()  # before anything has stopped
        self._stopping = True
        self._server.close()
        if self._unix is not None:
            with contextlib.suppress(FileNotFoundError):
                self._unix.unlink()
        for connection in list(self._connections):
            connection.stop_when_idle()
        await self.service.drain(timeout, code, reason)
        requests = [task for c in self._connections if (task := c.task) is not None]
        if requests:
            limit = self.service.registry.options.close_timeout if timeout is None else timeout
            await asyncio.wait(requests, timeout=limit)
        for connection in list(self._connections):
            connection.cut()


async def start(
    registry: WebSocketHandlerRegistry,
    settings: ServerSettings | None = None,
    *,
    strategy: WsprotoStrategy | None = None,
) -> RunningServer:
    """Serve `registry` inside a running asyncio program; stop it by `await server.stop()`.

    Raises `OSError` when the address cannot be had, `ConfigurationError` for settings that cannot
    be honoured.
    """
    strategy = strategy or WsprotoStrategy()
    service = WebSocketService(registry, strategy, AsyncioRuntime())
    native = strategy.native_settings
    server = RunningServer(service, native.get("max_header_size", MAX_HEADER_SIZE))
    await server.listen(settings or ServerSettings(), native)
    return server
