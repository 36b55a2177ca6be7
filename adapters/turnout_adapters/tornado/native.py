"""The native strategy: Tornado's own WebSocket connection, held to what every engine shows."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler

from turnout.close import CloseStatus
from turnout.messages import BinaryMessage, PingMessage, PongMessage, TextMessage
from turnout.protocol.deflate import Deflater
from turnout.protocol.encoder import opcode_and_payload
from turnout.protocol.frames import CONTINUATION, PING, PONG, encode_close
from turnout.protocol.receivers import CloseReceived
from turnout.session.connection import Connection
from turnout_adapters.tornado.strategy import TornadoStrategy
from turnout_adapters.tornado.stream import Backlog, close_stream, end_output
from turnout_adapters.tornado.takeover import detach
from turnout_compat.tornado_frames import CheckedWebSocketProtocol

if TYPE_CHECKING:
    from tornado.iostream import IOStream
    from tornado.web import RequestHandler

    from turnout.errors import ProtocolError
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.messages import Message
    from turnout.protocol.prepared import PreparedMessage
    from turnout.strategy import Upgrade
    from turnout_adapters.tornado.views import TornadoResponse

__all__ = ["NativeTornadoStrategy"]


class NativeTornadoStrategy(TornadoStrategy):
    """Tornado reads and writes the frames; its handshake, pings and limits are not used."""

    handler_class: ClassVar[type[RequestHandler]] = WebSocketHandler

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 and serve the connection as Tornado's `WebSocketHandler` would."""
        handler = cast("_Handler", request.native)
        stream = await detach(handler, cast("TornadoResponse", response))
        connection = NativeConnection(handler, stream, upgrade)
        connection.local_address = request.local_address
        connection.remote_address = request.remote_address
        stream.set_nodelay(True)
        stream.write(upgrade.response_head)
        await upgrade.start(connection)


class _Handler(WebSocketHandler):
    """What Tornado's protocol reports to."""

    connection: NativeConnection

    def on_close(self) -> None:
        """Tell the session that the connection is over; Tornado calls this once."""
        self.connection.lost()


NativeTornadoStrategy.handler_class = _Handler


class NativeConnection(Connection):
    """A WebSocket connection of Tornado; `native` is its `WebSocketHandler`."""

    def __init__(self, handler: _Handler, stream: IOStream, upgrade: Upgrade) -> None:
        self.native = handler
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog(self._unwritable, self._writable)
        self._deflater = None if upgrade.deflate is None else Deflater(upgrade.deflate)
        self._deflating = False
        self._resumed: asyncio.Future[None] | None = None
        self._late_pong: bytes | None = None
        self._close_sent = False
        self._close_received = False
        self._ending = False
        handler.connection = self
        handler.ws_connection = self._protocol = CheckedWebSocketProtocol(
            handler,
            stream,
            self,
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
        )

    # What the session calls

    def start(self) -> None:
        """Begin to read."""
        self._stream.set_close_callback(self._stop_waiting)
        self._reading = self._loop.create_task(self._protocol.run())

    def send(self, message: Message) -> None:
        """Write one message."""
        kind = type(message)
        if kind is PingMessage:
            self._write(PING, message.payload)
        elif kind is PongMessage:
            self._write(PONG, message.payload)
        elif self._deflater is None and message.is_first and message.is_last:
            self._write(*opcode_and_payload(message))
        else:
            self._send_data(message)

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Write a message that many connections get, encoded once for all."""
        deflater = self._deflater
        if deflater is None or prepared.size < deflater.parameters.threshold:
            self._write_bytes(prepared.frame(None))
        else:
            deflater.forget()
            self._write_bytes(prepared.frame(deflater.parameters))

    def send_close(self, status: CloseStatus) -> None:
        """Write the close frame, and read on to the peer's."""
        self._write_bytes(encode_close(status))
        self._close_sent = True
        self._late_pong = None
        self.resume_reading()

    def pause_reading(self) -> None:
        """Let Tornado wait before it reads the next frame."""
        if self._resumed is None and not self._close_sent:
            self._resumed = self._loop.create_future()

    def resume_reading(self) -> None:
        """Let Tornado read on."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    def close(self) -> None:
        """End once all is written; before the peer's close frame, only in our direction.

        A socket that is closed with unread input resets the connection, and the peer may lose our
        close frame. So what still comes is read and dropped; the session bounds that time.
        """
        if self._ending:
            return
        self._ending = True
        self._protocol.discarding = True
        self._stop_waiting()
        both_closed = self._close_sent and self._close_received
        end = close_stream if both_closed else end_output
        self._backlog.when_empty(partial(end, self._stream))

    def abort(self) -> None:
        """Cut the connection."""
        self._stream.close()

    # What Tornado's protocol calls

    def received(self, event: Message | CloseReceived) -> asyncio.Future[None] | None:
        """Deliver an event; return what to wait for while the session wants no more."""
        if isinstance(event, (TextMessage, BinaryMessage)):
            if not self._close_sent:
                self.session.message_received(event)
        elif isinstance(event, PingMessage):
            self._answer_ping(event.payload)
            self.session.ping_received(event)
        elif isinstance(event, PongMessage):
            self.session.pong_received(event)
        elif isinstance(event, CloseReceived):
            self._close_received = True
            self.session.close_received(event.status)
        return self._resumed

    def violated(self, error: ProtocolError) -> None:
        """Let the session fail the connection."""
        self.session.failed(CloseStatus(error.code), error)

    def lost(self) -> None:
        """Tell the session that this is over."""
        error = self._stream.error
        self.session.connection_lost(error if isinstance(error, Exception) else None)

    # In between

    def _send_data(self, message: Message) -> None:
        opcode, payload = opcode_and_payload(message)
        deflater = self._deflater
        if message.is_first:
            whole = message.is_last
            self._deflating = deflater is not None and not (
                whole and len(payload) < deflater.parameters.threshold
            )
        if self._deflating:
            assert deflater is not None
            payload = deflater.deflate(payload, is_last=message.is_last)
        self._write(
            opcode if message.is_first else CONTINUATION,
            payload,
            fin=message.is_last,
            compressed=self._deflating and message.is_first,
        )

    def _write(
        self, opcode: int, payload: bytes, *, fin: bool = True, compressed: bool = False
    ) -> None:
        try:
            written = self._protocol.write_frame(opcode, payload, fin=fin, compressed=compressed)
        except StreamClosedError:
            return  # the session learns it from `lost`
        if not written.done():
            self._backlog.add(written, len(payload))

    def _write_bytes(self, frame: bytes) -> None:
        if not self._stream.closed():
            self._backlog.add(self._stream.write(frame), len(frame))

    def _answer_ping(self, payload: bytes) -> None:
        if self._close_sent:
            return
        if self._backlog.paused:
            self._late_pong = payload  # RFC 6455 section 5.5.3: the latest is answer enough
        else:
            self._write(PONG, payload)

    def _unwritable(self) -> None:
        self.session.pause_writing()

    def _writable(self) -> None:
        if self._late_pong is not None:
            pong, self._late_pong = self._late_pong, None
            self._write(PONG, pong)
        self.session.resume_writing()

    def _stop_waiting(self) -> None:
        """Let Tornado's loop find out how things are, whatever the session has paused."""
        if self._stream.closed() and self._resumed is not None:
            self._protocol.discarding = True
        self.resume_reading()
