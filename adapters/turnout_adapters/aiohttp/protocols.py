"""What stands between an asyncio transport and aiohttp's protocol for the time of a request.

Both pass on to aiohttp what its books need: `connection_lost` takes the connection off the server's
list and ends the request, `pause_writing` and `resume_writing` steer its own writer.

A WebSocket needs more than aiohttp's `set_parser` gives. Once a shutdown has begun, aiohttp's
protocol drops whatever a peer sends, so no close frame would arrive while `on_shutdown` drains; a
parser never learns of `pause_writing`, nor with which error the connection was lost; and the end of
the peer's stream closes the transport before our close frame is out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aiohttp import web

    from turnout.protocol.transport import TransportProtocol

__all__ = ["DisconnectWatch", "Takeover", "drop_early_data", "take_early_data"]


class EarlyData:
    """A parser for aiohttp that only takes what was read together with the request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep the bytes; false, as the stream goes on."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing: the takeover learns of the end by itself."""


def take_early_data(request: web.BaseRequest) -> bytes:
    """Return what aiohttp has read beyond the request; it parses no HTTP here any more."""
    early = EarlyData()
    request.protocol.set_parser(early)  # type: ignore[arg-type]  # duck-typed in every version
    request.protocol.keep_alive(False)
    return early.data


def drop_early_data(request: web.BaseRequest) -> bool:
    """Drop what came behind a handshake that was refused; false when nothing did.

    aiohttp reads it as another request, and before 3.14 loses our answer when it is none.
    """
    came = bool(getattr(request.protocol, "_message_tail", b""))
    if came:
        take_early_data(request)
    return came


class _Forwarding(asyncio.Protocol):
    """Passes everything on to the protocol that it displaces."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._inner = cast("asyncio.Protocol", transport.get_protocol())

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of the stream on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the loss on."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass the pause on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass the end of the pause on."""
        self._inner.resume_writing()


class DisconnectWatch(_Forwarding):
    """Notices the loss of a connection while aiohttp serves a request on it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, then aiohttp."""
        if not self._lost.done():
            self._lost.set_result(None)
        super().connection_lost(exc)

    async def wait(self) -> None:
        """Return when the connection is lost."""
        await asyncio.shield(self._lost)

    def leave(self) -> None:
        """Put aiohttp's protocol back."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._inner)


class Takeover(_Forwarding):
    """Gives what the peer sends to a WebSocket; aiohttp only keeps the books from now on."""

    def __init__(self, transport: asyncio.Transport, connection: TransportProtocol) -> None:
        super().__init__(transport)
        self._connection = connection
        self.data_received = connection.data_received  # type: ignore[method-assign]  # the hot path: no call between
        transport.set_protocol(self)

    def eof_received(self) -> bool | None:
        """Let the WebSocket say whether its own direction stays open."""
        return cast("bool | None", self._connection.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session, then aiohttp, which may cancel the handler."""
        try:
            self._connection.connection_lost(exc)
        finally:
            super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell both."""
        super().pause_writing()
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell both."""
        super().resume_writing()
        self._connection.resume_writing()
