"""granian's embedded server for a registry alone: listening, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from turnout.handshake.redaction import redact_queries_of
from turnout_adapters.granian.handover import HandingApplication
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.granian_sockets import (
    cut_all,
    stop_listening,
    until_accepting,
    until_released,
)
from turnout_compat.listening import address_of_socket, listening

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.asgi import AsgiApplication
    from turnout_adapters.granian.strategy import GranianStrategy

__all__ = ["serve"]

MAX_HEAD_SIZE = 64 * 1024
LONGEST_TIMEOUT = 2**31
"""Milliseconds for a request that may take as long as it likes."""


async def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: GranianStrategy
) -> None:
    """Serve until SIGINT or SIGTERM, then drain."""
    redact_queries_of("granian.access")
    tls_context(settings)  # raises for bad files, in the words of every engine
    app = HandingApplication(registry, strategy)
    native = _native_settings(settings, registry.options, strategy.native_settings)
    async with termination() as asked:
        with listening(settings) as sockets:
            servers = [RegistryServer(app, one, settings, native) for one in sockets]
            running = [asyncio.create_task(server.serve()) for server in servers]
            addresses = [address_of_socket(one) for one in sockets]
            for address in addresses:
                await _wait_for_any([asyncio.create_task(until_accepting(address)), *running])
            settings.announce(addresses[0])
            await _wait_for_any([asyncio.create_task(asked.wait()), *running])
            stop_listening(sockets)
            await app.service.drain()
            for address in addresses:
                cut_all(address)
            for server in servers:
                server.interrupt()
            await asyncio.gather(*running)
            for address in addresses:
                await until_released(address, registry.options.close_timeout)


async def _wait_for_any(tasks: list[asyncio.Task[Any]]) -> None:
    asking = tasks[0]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()


def _native_settings(
    settings: ServerSettings, options: WebSocketOptions, native: dict[str, Any]
) -> dict[str, Any]:
    timeout = options.handshake_timeout
    head = LONGEST_TIMEOUT if timeout is None else max(1, round(timeout * 1000))
    defaults: dict[str, Any] = {
        "http1_settings": HTTP1Settings(header_read_timeout=head, max_buffer_size=MAX_HEAD_SIZE),
        "ssl_cert": settings.tls_cert,
        "ssl_key": settings.tls_key or settings.tls_cert,
        "log_enabled": False,  # whose program it is sets up its logging
    }
    return {name: v for name, v in {**defaults, **native}.items() if name != "loop_factory"}


class RegistryServer(Server):
    """An embedded granian on a socket that is bound already."""

    def __init__(
        self,
        app: AsgiApplication,
        listener: socket.socket,
        settings: ServerSettings,
        native: dict[str, Any],
    ) -> None:
        super().__init__(
            app,
            backlog=settings.backlog,
            interface=Interfaces.ASGINL,  # the end is ours, so there is no need for a lifespan
            **native,
        )
        self._listener = listener
        self._of_unix = settings.unix is not None

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder
        self._shd = holder(os.dup(self._listener.fileno()), self._of_unix, self.backlog)

    def interrupt(self) -> None:
        """Begin to end."""
        self.interrupt_signal = True
        self.main_loop_interrupt.set()
