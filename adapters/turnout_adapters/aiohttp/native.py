"""aiohttp's own WebSocket implementation as the driver of a turnout connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from turnout.close import NO_STATUS_CODE, CloseStatus
from turnout.drive import drive
from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol.connection import StandardConnection
from turnout.protocol.driver import CloseReceived, Failed
from turnout.protocol.encoder import FrameEncoder
from turnout.protocol.receivers import NOT_UTF8
from turnout_compat.frame_guard import FrameGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.options import WebSocketOptions
    from turnout.protocol.driver import Event
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.prepared import PreparedMessage
    from turnout.protocol.transport import Transport
    from turnout_compat.aiohttp_websocket import DetachedWebSocket

__all__ = ["NativeConnection", "websocket_response"]


MAKING = threading.Lock()
"""A thread may ask for `session.native` while the loop needs it."""


def websocket_response(
    options: WebSocketOptions, sub_protocol: str | None
) -> web.WebSocketResponse:
    """Return a response of aiohttp that leaves pings, closing, limits and deflate to turnout.

    Its own limit stands behind ours, one for both kinds of messages and not inclusive.
    """
    sizes = (options.max_text_size, options.max_binary_size)
    largest = 0 if None in sizes else max(size for size in sizes if size is not None) + 1
    return web.WebSocketResponse(
        timeout=options.close_timeout,
        autoclose=False,
        autoping=False,
        heartbeat=None,
        protocols=() if sub_protocol is None else (sub_protocol,),
        compress=False,
        max_msg_size=largest,
    )


class NativeConnection(StandardConnection):
    """A connection whose control frames and fragments aiohttp reads and writes."""

    def __init__(
        self,
        transport: Transport,
        options: WebSocketOptions,
        deflate: DeflateParameters | None,
        prepare: Callable[[], DetachedWebSocket],
    ) -> None:
        super().__init__(transport, options, deflate)
        guard = FrameGuard(options, deflate)
        self._aiohttp = driver = AiohttpDriver(guard, prepare, FrameEncoder(deflate))
        self._driver = driver  # type: ignore[assignment]  # in its place

    @property
    def native(self) -> web.WebSocketResponse:
        """Aiohttp's response."""
        return self._aiohttp.websocket.response

    @native.setter
    def native(self, _: object) -> None:
        """Keep nothing: what the transport has is the request."""


def _close_event(message: Any) -> CloseReceived:
    status = CloseStatus(message.data, message.extra) if message.data else NO_STATUS_CODE
    return CloseReceived(status)


_CONTROL: dict[WSMsgType, Callable[[Any], Event]] = {
    WSMsgType.PING: lambda message: PingMessage(message.data),
    WSMsgType.PONG: lambda message: PongMessage(message.data),
    WSMsgType.CLOSE: _close_event,
}


class AiohttpDriver:
    """What the standard driver does, done by aiohttp behind a `FrameGuard` where it is of use.

    A whole message in one frame passes aiohttp by, in both directions, and what is compressed does
    outwards, because aiohttp could not bound it. Every call completes at once: aiohttp's reader is
    fed one message at a time, and its writer writes to a list.
    """

    __slots__ = (
        "_discarding",
        "_encoder",
        "_guard",
        "_next_message",
        "_next_piece",
        "_pieces",
        "_prepare",
        "_websocket",
    )

    def __init__(
        self,
        guard: FrameGuard,
        prepare: Callable[[], DetachedWebSocket],
        encoder: FrameEncoder,
    ) -> None:
        self._encoder = encoder
        self._guard = guard
        self._next_message = guard.next_message
        self._next_piece = guard.next_piece
        self._prepare = prepare
        self._websocket: DetachedWebSocket | None = None
        self._pieces: list[Any] = []
        self._discarding = False

    @property
    def websocket(self) -> DetachedWebSocket:
        """What of aiohttp reads and writes; made when it is first of use, because it is large."""
        if self._websocket is None:
            with MAKING:
                if self._websocket is None:
                    self._websocket = self._prepare()
        return self._websocket

    def receive_data(self, data: bytes) -> None:
        """Store bytes that the peer sent."""
        if not self._discarding:
            self._guard.receive_data(data)

    def receive_eof(self) -> None:
        """Nothing to note: what is left of an unfinished frame is never delivered."""

    def next_event(self) -> Event | None:
        """Return the next event, or None when it takes more bytes."""
        if self._discarding:
            return None
        try:
            message = self._next_message()
            if message is not None:
                return message
            while (piece := self._next_piece()) is not None:
                websocket = self.websocket
                if websocket.feed(piece[0])[0]:
                    raise self._error()
                if piece[1]:
                    return self._event(drive(websocket.read()))
        except ProtocolError as error:
            self._discarding = True
            return Failed(CloseStatus(error.code), error.with_traceback(None))
        return None

    def _event(self, message: Any) -> Event:
        kind = message.type
        if kind is WSMsgType.TEXT:
            return TextMessage(message.data)
        if kind is WSMsgType.BINARY:
            return BinaryMessage(message.data)
        if kind is WSMsgType.CLOSE:
            self._discarding = True
        return _CONTROL[kind](message)

    def _error(self) -> ProtocolError:
        """Return what aiohttp's reader found: after the guard, only text that is not UTF-8."""
        found = self.websocket.error()
        if getattr(found, "code", None) == InvalidPayloadError.code:
            return InvalidPayloadError(NOT_UTF8)
        return ProtocolError(f"aiohttp refused a frame: {found}")

    def encode(self, message: Message) -> bytes:
        """Return the frame of a message; of one in pieces, nothing before the last of them."""
        if isinstance(message, (TextMessage, BinaryMessage)):
            if message.is_first and message.is_last:
                return self._encoder.encode(message)
            return self._encode_piece(message)
        kind = WSMsgType.PING if isinstance(message, PingMessage) else WSMsgType.PONG
        return self._frame(message.payload, kind)

    def encode_long(self, message: Message) -> Iterator[bytes | memoryview]:
        """Return what `encode` does in parts."""
        if isinstance(message, (TextMessage, BinaryMessage)) and message.is_whole:
            return self._encoder.encode_long(message)
        return iter((self.encode(message),))

    def _encode_piece(self, message: TextMessage | BinaryMessage) -> bytes:
        if isinstance(message, TextMessage):
            message.payload.encode()  # raises for what has no UTF-8 before anything is kept
        self._pieces.append(message.payload)
        if not message.is_last:
            return b""
        pieces, self._pieces = self._pieces, []
        if isinstance(message, TextMessage):
            return self.encode(TextMessage("".join(pieces)))
        return self.encode(BinaryMessage(b"".join(pieces)))

    def encode_prepared(self, prepared: PreparedMessage) -> bytes:
        """Return the frame that many connections get."""
        return self._encoder.encode_prepared(prepared)

    def encode_close(self, status: CloseStatus) -> bytes:
        """Return a close frame; 1005 stands for one without a code."""
        payload = b""
        if status != NO_STATUS_CODE:
            status.check_sendable()
            payload = status.code.to_bytes(2, "big") + status.reason.encode()
        return self._frame(payload, WSMsgType.CLOSE)

    def _frame(self, payload: bytes, kind: WSMsgType) -> bytes:
        websocket = self.websocket
        drive(websocket.send_frame(payload, kind))
        return websocket.take()
