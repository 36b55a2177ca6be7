"""hypercorn's connections for a registry alone: listening, and an orderly end.

hypercorn's own `serve` stops accepting only when it ends, gives every WebSocket three seconds and
1011, and has no word for when it listens; so its connections get a server of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, cast

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from turnout.handshake.redaction import redact_queries_of
from turnout_adapters.asgi import AsgiApplication
from turnout_adapters.hypercorn.protocols import guarded_protocols
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.listening import address_of_socket, listening

if TYPE_CHECKING:
    import socket

    from turnout.options import WebSocketOptions
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.hypercorn.strategy import HypercornStrategy

__all__ = ["serve"]

LARGEST = 1 << 62
"""hypercorn's own limit is out of the way: each handler has its own, and a guard holds them."""
FOR_EVER = 1e9
"""Seconds for a request that may take as long as it likes."""


async def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: HypercornStrategy
) -> None:
    """Serve until SIGINT or SIGTERM, then drain."""
    redact_queries_of("hypercorn.access", "hypercorn.error")
    config = _config(registry.options, strategy.native_settings)
    app = AsgiApplication(registry, strategy)
    connections = Connections(app, config)
    async with termination() as asked:
        with guarded_protocols(registry), listening(settings) as sockets:
            async with connections.accepted_on(sockets, settings):
                settings.announce(address_of_socket(sockets[0]))
                await connections.wait(asked)
            await app.service.drain()
            await connections.end(registry.options.close_timeout)


def _config(options: WebSocketOptions, native: dict[str, Any]) -> Config:
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")  # whose program it is sets it up
    config.include_server_header = False
    config.include_date_header = False
    config.websocket_max_message_size = LARGEST
    config.keep_alive_timeout = options.handshake_timeout or FOR_EVER
    for name, value in native.items():
        if name != "loop_factory":
            setattr(config, name, value)
    return config


class Connections:
    """The connections of one server, each a task of hypercorn's `TCPServer`."""

    def __init__(self, app: AsgiApplication, config: Config) -> None:
        self._app = ASGIWrapper(cast("Any", app))  # hypercorn names the keys of every event
        self._config = config
        self._context = WorkerContext(config.max_requests)
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def accepted_on(
        self, sockets: list[socket.socket], settings: ServerSettings
    ) -> AsyncIterator[None]:
        """Accept connections within the block."""
        tls: dict[str, Any] = {"ssl": self._tls_context(settings)}
        if tls["ssl"] is not None:
            tls["ssl_handshake_timeout"] = self._config.keep_alive_timeout  # see `_config`
        servers = [
            await asyncio.start_server(self._accept, sock=one, backlog=settings.backlog, **tls)
            for one in sockets
        ]
        try:
            yield
        finally:
            for server in servers:
                server.close()

    async def wait(self, asked: asyncio.Event) -> None:
        """Return when the end is asked for: by a signal, or by `max_requests`."""
        ends = [
            asyncio.ensure_future(cast("Awaitable[object]", end))
            for end in (asked.wait(), self._context.terminate.wait())
        ]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def end(self, timeout: float) -> None:
        """Let running requests end, idle connections at once; cut what is left then."""
        await self._context.terminated.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        loop = asyncio.get_running_loop()
        await TCPServer(self._app, loop, self._config, self._context, {}, reader, writer)

    def _tls_context(self, settings: ServerSettings) -> ssl.SSLContext | None:
        context = tls_context(settings)
        if context is not None:
            context.set_alpn_protocols(self._config.alpn_protocols)
            context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9113 section 9.2
        return context
