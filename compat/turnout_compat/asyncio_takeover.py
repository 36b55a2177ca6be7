"""What stands between an asyncio transport and a server's own protocol, which keeps its books."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from turnout.protocol.transport import TransportProtocol

__all__ = ["Forwarding", "Takeover"]


class Forwarding(asyncio.Protocol):
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


class Takeover(Forwarding):
    """Gives what the peer sends to a WebSocket; the server only keeps its books from now on."""

    def __init__(self, transport: asyncio.Transport, connection: TransportProtocol) -> None:
        super().__init__(transport)
        self._connection = connection
        self.data_received = connection.data_received  # type: ignore[method-assign]  # the hot path: no call between
        transport.set_protocol(self)

    def eof_received(self) -> bool | None:
        """Let the WebSocket say whether its own direction stays open."""
        return cast("bool | None", self._connection.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session, then the server, which may cancel the handler."""
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
