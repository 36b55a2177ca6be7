"""What hypercorn's WebSocket stream lacks, put around it: over HTTP/1.1 and HTTP/2 alike.

It ends a connection without a close frame when the peer breaks the protocol, reports every close of
the peer as 1006, compresses with windows that nobody bounds, and answers a frame that comes before
the application has accepted by 400, in the middle of the WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hypercorn.protocol.events import Body, Data, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

from turnout_compat.asgi_frames import (
    FRAME,
    Event,
    Frames,
    GuardedInput,
    found_by_host,
    offer_frames,
)
from turnout_compat.asyncio_transport import bound_reads, end_output

if TYPE_CHECKING:
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["GuardedStream"]

MOST_EARLY_BYTES = 64 * 1024
"""How much a client may send behind a handshake that is not answered yet."""


def _message(event: Mapping[str, Any]) -> BytesMessage | TextMessage:
    text = event.get("text")
    return BytesMessage(event["bytes"]) if text is None else TextMessage(text)


FRAMES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "websocket.send": _message,
    "websocket.close": lambda event: CloseConnection(event["code"], event["reason"]),
    "turnout.ping": lambda event: Ping(event["payload"]),
    "turnout.pong": lambda event: Pong(event["payload"]),
}
"""What wsproto makes of the events that are frames."""


class HypercornFrames(Frames):
    """The stream below, for the application."""

    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream

    def begin(self, connection: FramedConnection) -> None:
        """Guard what the peer sends; what came early is read in the background."""
        self._stream.begin(connection)

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Write an event over HTTP/1.1 while the client reads as fast as it is written to."""
        return self._stream.write_now(event)

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        await self._stream.send_event(Ping(payload))

    async def pong(self, payload: bytes) -> None:
        """Send a pong."""
        await self._stream.send_event(Pong(payload))

    async def write(self, frame: bytes) -> None:
        """Write a frame as it is."""
        await self._stream.write(frame)

    async def end(self) -> None:
        """End the stream, over HTTP/1.1 as soon as the client has had the chance to read."""
        await self._stream.end()

    def abort(self) -> None:
        """Cut the connection; over HTTP/2 the stream alone."""
        self._stream.abort()


class GuardedStream(WSStream):
    """A WebSocket of hypercorn's, with a guard in front of wsproto."""

    connection: Any
    app_put: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input = GuardedInput(keeps_pongs=True)
        self._receiving = asyncio.Lock()
        self._answers_late = False
        self._closed_by_peer = False
        self._is_over = False

    async def handle(self, event: Any) -> None:
        """Take an event of the HTTP protocol below."""
        if isinstance(event, (Body, Data)) and not self.closed:
            if self.state is ASGIWebsocketState.HANDSHAKE and self._has_room(event.data):
                for _ in self._input.receive(event.data):
                    raise AssertionError("nothing comes out before the guard begins")
            elif self.state is ASGIWebsocketState.HANDSHAKE:
                await super().handle(event)
            else:
                await self._receive(event.data)
        elif isinstance(event, StreamClosed):
            await self._stream_closed()
        else:
            await super().handle(event)
            if self.app_put is not None:
                offer_frames(self.scope, HypercornFrames(self))

    def _has_room(self, data: bytes) -> bool:
        return self._input.early_size + len(data) <= MOST_EARLY_BYTES

    async def _stream_closed(self) -> None:
        """Tell the application that the connection is gone, unless it has ended itself.

        A peer that broke the protocol, and ended its side, is still owed the close frame.
        """
        if not self._input.failed or self.state is not ASGIWebsocketState.CONNECTED:
            self.closed = True
        if self.app_put is not None and not self._is_over:
            await self.app_put({"type": "websocket.disconnect", "code": 1006})

    async def app_send(self, message: Any) -> None:
        """Do what the application asks; None says that it has returned."""
        self._is_over = message is None
        if self._is_over or not self._closed_by_peer:  # else hypercorn raises for a late message
            await super().app_send(message)

    async def _accept(self, message: Any) -> None:
        self.handshake.extensions = None  # none of hypercorn's: its windows are not bounded
        await super()._accept(message)

    # The application's calls

    def begin(self, connection: FramedConnection) -> None:
        """Guard from now on."""
        bound_reads(self._tcp_server().writer.transport)
        self._input.begin(connection)
        self.task_group.spawn(self._receive, b"")

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Do what `app_send` would, where it would not wait."""
        kind = event["type"]
        if kind != FRAME and kind not in FRAMES:
            return False
        if not (self._closed_by_peer or self._takes_more()):
            return False
        if self._closed_by_peer:
            return True  # its close frame is answered, and nothing goes behind that
        if kind == "websocket.close":
            self.state = ASGIWebsocketState.CLOSED
        if kind == FRAME:
            self._writer().write(event["payload"])
        else:
            self._write(FRAMES[kind](event))
        return True

    def _takes_more(self) -> bool:
        """Tell whether hypercorn would neither wait nor find the connection gone."""
        if self.closed or self.state is not ASGIWebsocketState.CONNECTED or self._writer() is None:
            return False
        return not self._tcp_server().send_lock.locked() and not self._is_held_back()

    def _is_held_back(self) -> bool:
        """Tell whether the client has yet to read much, or will read no more."""
        transport = self._writer().transport
        enough, _ = transport.get_write_buffer_limits()
        return bool(transport.is_closing() or transport.get_write_buffer_size() > enough)

    def _write(self, event: Any) -> None:
        """Write a frame, over HTTP/1.1, without waiting for those before it to go."""
        with contextlib.suppress(LocalProtocolError):  # as hypercorn: both have closed
            self._writer().write(self.connection.send(event))

    async def write(self, frame: bytes) -> None:
        """Send a frame as it is; none goes behind a close frame."""
        is_open = self.state is ASGIWebsocketState.CONNECTED and not self._closed_by_peer
        if is_open and not self.closed:
            await self.send(Data(stream_id=self.stream_id, data=frame))

    async def send_event(self, event: Any) -> None:
        """Send a control frame."""
        await self._send_wsproto_event(event)

    async def end(self) -> None:
        """End the stream behind what was sent."""
        writer = self._writer()
        if self._closed_by_peer or writer is None:
            await self.send(StreamClosed(stream_id=self.stream_id))
        else:
            end_output(writer.transport)

    def abort(self) -> None:
        """Cut the connection, or reset the stream."""
        writer = self._writer()
        if writer is not None:
            writer.transport.abort()
        else:
            self.task_group.spawn(self._reset)

    def _writer(self) -> Any:
        """Return the stream writer of a connection that is all ours; None over HTTP/2."""
        return self._tcp_server().writer if self.scope["http_version"] == "1.1" else None

    def _tcp_server(self) -> Any:
        http: Any = self.send.__self__  # type: ignore[attr-defined]  # a method of the protocol
        return http.send.__self__

    async def _reset(self) -> None:
        http: Any = self.send.__self__  # type: ignore[attr-defined]  # a method of the protocol
        if self.stream_id in http.streams:
            http.connection.reset_stream(self.stream_id)
            await http.forget_unsent(self.stream_id)
            await self.send(StreamClosed(stream_id=self.stream_id))

    # In between

    async def _receive(self, data: bytes) -> None:
        async with self._receiving:  # what came early is read beside what comes now
            await self._receive_next(data)

    async def _receive_next(self, data: bytes) -> None:
        self._input.writing_paused = self._writer() is not None and self._is_held_back()
        for one in self._input.receive(data):
            if self._closed_by_peer:
                return  # wsproto raises for what comes behind
            if isinstance(one, bytes):
                self.connection.receive_data(one)
                await self._handle_events()
            else:
                await self._tell(one)
        if self._input.has_late_ping and not self._answers_late:
            self._answers_late = True
            self.task_group.spawn(self._answer_late_ping)

    async def _answer_late_ping(self) -> None:
        """Answer the latest ping once what was written before it has gone."""
        with contextlib.suppress(ConnectionError):  # the client has gone: there is nobody to answer
            await self._writer().drain()
        async with self._receiving:
            self._answers_late = False
            late = self._input.resume()
            if late and not self._closed_by_peer:
                self.connection.receive_data(late)
                await self._handle_events()

    async def _tell(self, event: Event) -> None:
        if not self._input.deliver(event):
            await self._pass_on(event)

    async def _pass_on(self, event: Event) -> None:
        if not self._is_over:
            await self.app_put(event)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                self.buffer.extend(event)
                if event.message_finished:
                    await self._pass_on(self.buffer.to_message())
                    self.buffer.clear()
            elif isinstance(event, Ping):
                await self._answer(event.response())
            elif isinstance(event, CloseConnection):
                await self._take_close(event)

    async def _answer(self, event: Any) -> None:
        """Answer a control frame, over HTTP/1.1 however much the client has yet to read."""
        if self._writer() is None:
            await self._send_wsproto_event(event)
        else:
            self._write(event)

    async def _take_close(self, event: CloseConnection) -> None:
        code, reason = event.code, event.reason or ""
        if self.connection.state is ConnectionState.OPEN:  # wsproto could not read a frame
            self._input.failed = True
            await self._tell({"type": "turnout.failed", "error": found_by_host(code, reason)})
            return
        self._closed_by_peer = True
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            self.state = ASGIWebsocketState.CLOSED
            await self._answer(event.response())
        await self._tell({"type": "turnout.closing", "code": code, "reason": reason})
