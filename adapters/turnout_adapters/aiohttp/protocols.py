"""What is between an asyncio transport and aiohttp's protocol for the time of a request.

`DisconnectWatch`, and `Takeover` of compat, pass on to aiohttp what its books need:
`connection_lost` takes the connection off the server's list and ends the request, `pause_writing`
and `resume_writing` steer its own writer. Where there is no application around the request,
`let_go` takes a WebSocket off those books at once.

A WebSocket needs more than aiohttp's `set_parser` gives. Once a shutdown has begun, aiohttp's
protocol drops whatever a peer sends, so no close frame would arrive while `on_shutdown` drains; a
parser never learns of `pause_writing`, nor with which error the connection was lost; and the end of
the peer's stream closes the transport before our close frame is out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from turnout_compat.asyncio_takeover import Forwarding

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["DisconnectWatch", "drop_early_data", "let_go", "take_early_data"]


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


def let_go(request: web.BaseRequest) -> None:
    """Take the connection of a WebSocket off aiohttp's books, where nobody else uses them.

    What aiohttp keeps for the next request goes: its parser, its timer and its task.
    """
    protocol = request.protocol
    protocol.transport = None
    protocol.connection_lost(None)


class DisconnectWatch(Forwarding):
    """Notices the loss of a connection while aiohttp serves a request on it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, then aiohttp."""
        self.end()
        super().connection_lost(exc)

    async def wait(self) -> None:
        """Return when the connection is lost."""
        await asyncio.shield(self._lost)

    def end(self) -> None:
        """Let go on who waits: it is no connection of HTTP any more."""
        if not self._lost.done():
            self._lost.set_result(None)

    def leave(self) -> None:
        """Put aiohttp's protocol back."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._inner)
