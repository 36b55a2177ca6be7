"""A Tornado server of turnout's own, and the orderly end of any."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from typing import TYPE_CHECKING, Any, cast

from tornado.httpserver import HTTPServer
from tornado.web import Application

from turnout.handshake.redaction import redact_queries_of
from turnout_adapters.tornado.routing import route
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import address_of, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.http import Address
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.service import WebSocketService
    from turnout.serving import ServerSettings
    from turnout_adapters.tornado.strategy import TornadoStrategy

__all__ = ["serve", "stop"]

ANSWERED_UP_TO = 4
"""How many times its limit a head may have for a 431; beyond that, Tornado ends the connection."""


async def stop(
    server: HTTPServer,
    service: WebSocketService,
    timeout: float | None = None,
    code: int = 1001,
    reason: str = "",
) -> None:
    """Stop accepting, close every session as `service.drain` does, let running requests end.

    What is left of them is cut after `timeout` (default: the registry's `close_timeout`). Tornado
    has no shutdown hook; a program that mounts turnout calls this where it ends.
    """
    server.stop()
    await service.drain(timeout, code, reason)
    requests = cast("TornadoStrategy", service.strategy).requests
    if requests:
        limit = service.registry.options.close_timeout if timeout is None else timeout
        await asyncio.wait(requests, timeout=limit)
    await server.close_all_connections()


async def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: TornadoStrategy
) -> None:
    """Listen, announce it, and serve until a signal asks for the end."""
    redact_queries_of("tornado.access")
    application = Application(**strategy.application_settings)
    service = route(application, registry, strategy, alone=True)
    # How long Tornado waits for a request, on a new connection and on one that was kept.
    timeout = registry.options.handshake_timeout
    native: dict[str, Any] = {
        "idle_connection_timeout": math.inf if timeout is None else timeout,
        **strategy.server_settings,
        "max_header_size": strategy.max_header_size * ANSWERED_UP_TO,
    }
    server = HTTPServer(application, ssl_options=tls_context(settings), **native)
    async with termination() as asked:
        sockets = _listen(settings)
        try:
            server.add_sockets(sockets)
            settings.announce(_address(sockets))
            await asked.wait()
            await stop(server, service)
        finally:
            _forget(sockets, settings)


def _listen(settings: ServerSettings) -> list[socket.socket]:
    """Return bound sockets; `tornado.netutil` would leave one open when it cannot be bound."""
    with contextlib.ExitStack() as bound:
        sockets = list(_bind(settings, bound))
        bound.pop_all()
    for one in sockets:
        one.setblocking(False)
    return sockets


def _bind(settings: ServerSettings, bound: contextlib.ExitStack) -> Iterator[socket.socket]:
    if settings.unix is not None:
        if settings.unix.is_socket():  # of a server that ended in disorder
            settings.unix.unlink()
        one = bound.enter_context(socket.socket(socket.AF_UNIX))
        one.bind(str(settings.unix))
        one.listen(settings.backlog)
        yield one
        return
    port = settings.port
    for family, host in _resolve(settings.host):
        made = socket.create_server((host, port), family=family, backlog=settings.backlog)
        port = made.getsockname()[1]  # 0 picks a free one, and the others take the same
        yield bound.enter_context(made)


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _address(sockets: list[socket.socket]) -> Address:
    address = address_of(sockets[0].getsockname())
    assert address is not None
    return address


def _forget(sockets: list[socket.socket], settings: ServerSettings) -> None:
    for one in sockets:
        one.close()
    if settings.unix is not None:
        with contextlib.suppress(FileNotFoundError):
            settings.unix.unlink()
