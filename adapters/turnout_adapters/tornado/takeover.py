"""Taking a connection from Tornado after the request, with nothing lost on the way.

In plain, the stream is drained and closed, and a duplicate of its socket goes to an asyncio
transport, which is what the standard driver is fast on. Python cannot take a TLS session out of its
socket: there the driver runs over the stream. Either way Tornado has let go of the connection as
it does for WebSocket handlers of its own, and has counted and logged the request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed
from turnout.protocol.connection import StandardConnection
from turnout_adapters.tornado.stream import IOStreamTransport
from turnout_compat.asyncio_transport import AsyncioTransport
from turnout_compat.tornado_stream import read_ahead_once

if TYPE_CHECKING:
    import socket

    from tornado.web import RequestHandler

    from turnout.protocol.transport import Transport
    from turnout.strategy import Upgrade
    from turnout_adapters.tornado.views import TornadoRequest, TornadoResponse

__all__ = ["detach", "take_over"]


async def detach(handler: RequestHandler, response: TornadoResponse) -> IOStream:
    """Return the stream once Tornado is through with it; raise `ConnectionClosed` if it is gone."""
    if response.disconnected:
        raise ConnectionClosed(NO_CLOSE_FRAME)
    response.switched()
    stream = handler.detach()
    read_ahead_once(stream)
    handler.request.server_connection = None  # it would keep the stream, some KiB, alive
    handler.application.log_request(handler)
    try:
        if stream.writing():
            await stream.write(b"")  # done when all before it is: the end of an earlier response
        if stream.closed():
            raise ConnectionClosed(NO_CLOSE_FRAME)
    except OSError as error:
        raise ConnectionClosed(NO_CLOSE_FRAME) from error
    return stream


async def take_over(
    request: TornadoRequest, response: TornadoResponse, upgrade: Upgrade
) -> StandardConnection:
    """Write the 101 and return the standard driver on what was Tornado's connection."""
    stream = await detach(request.native, response)
    if isinstance(stream, SSLIOStream):
        return _over_stream(stream, request, upgrade)
    return await _over_socket(stream, request, upgrade)


def _over_stream(stream: IOStream, request: TornadoRequest, upgrade: Upgrade) -> StandardConnection:
    stream.set_nodelay(True)
    transport = IOStreamTransport(stream, request.native)
    connection = _connect(transport, request, upgrade)
    transport.attach(connection)
    transport.write(upgrade.response_head)
    return connection


async def _over_socket(
    stream: IOStream, request: TornadoRequest, upgrade: Upgrade
) -> StandardConnection:
    duplicate, early = _drain(stream)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(_Arrival, duplicate)
    connection = _connect(AsyncioTransport(transport, request.native), request, upgrade, early)
    transport.set_protocol(cast("asyncio.Protocol", connection))  # it has every method of one
    transport.write(upgrade.response_head)
    transport.resume_reading()
    return connection


class _Arrival(asyncio.Protocol):
    """Holds a fresh transport back until its real protocol is set."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing yet."""
        cast("asyncio.Transport", transport).pause_reading()


def _drain(stream: IOStream) -> tuple[socket.socket, bytes]:
    """Close the stream; return a duplicate of its socket, and what it had already read from it."""
    original: Any = stream.socket  # None only when it is closed
    duplicate = original.dup()
    stream.close()
    try:
        # What a stream has read can still be had from it, now without asking the socket for more.
        arrived: Any = stream.read_bytes(stream.max_buffer_size, partial=True)
    except StreamClosedError:
        return duplicate, b""
    return duplicate, arrived.result()


def _connect(
    transport: Transport, request: TornadoRequest, upgrade: Upgrade, early: bytes = b""
) -> StandardConnection:
    # The socket may know them no more: a peer that has reset the connection has no address.
    transport.local_address = transport.local_address or request.local_address
    transport.remote_address = transport.remote_address or request.remote_address
    return StandardConnection(
        transport,
        upgrade.options,
        upgrade.deflate,
        partial=upgrade.handler.partial,
        early_data=early,
    )
