"""What uvicorn's two sans-I/O WebSocket protocols lack, put around them from outside.

Both know one limit for all handlers. The one over websockets accepts a length in more bytes than
it needs, and sees text that is no UTF-8 only at the end of its message; the one over wsproto ends
the connection without a close frame in both cases. Both report a peer that vanished as 1005, and
report the application's own close as the end, before the peer has answered it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState
from wsproto.events import Ping, Pong

from turnout.close import NO_STATUS_CODE
from turnout_compat.asgi_frames import Event, Frames, GuardedInput, found_by_host, offer_frames
from turnout_compat.asyncio_transport import end_output

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["GuardedSansioProtocol", "GuardedWsprotoProtocol"]


class EventQueue(asyncio.Queue[Event]):
    """A queue whose events are looked at first."""

    def __init__(self, translate: Callable[[Event], Event | None]) -> None:
        super().__init__()
        self._translate = translate

    def put_nowait(self, item: Event) -> None:
        """Put in what the event really means, if it means anything."""
        event = self._translate(item)
        if event is not None:
            super().put_nowait(event)


class UvicornFrames(Frames):
    """The connection of one of the protocols below."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def begin(self, options: WebSocketOptions, connection: FramedConnection) -> None:
        """Guard what the peer sends, and leave the time for its close frame to the session."""
        self._protocol.close_timeout = options.close_timeout + 1
        self._protocol.begin(options, connection)

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        self._protocol.transport.write(self._protocol.ping_frame(payload))

    async def pong(self, payload: bytes) -> None:
        """Send a pong."""
        self._protocol.transport.write(self._protocol.pong_frame(payload))

    async def end(self) -> None:
        """End this direction; the protocol waits for the end of the other one."""
        self._protocol.end()

    def abort(self) -> None:
        """Cut the connection."""
        self._protocol.transport.abort()


class _Guarded:
    """What the two protocols have in common, in front of uvicorn's class."""

    transport: asyncio.Transport
    scope: Any
    queue: Any
    handshake_complete: bool
    read_paused: bool
    keeps_close: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input = GuardedInput(keeps_close=self.keeps_close)
        self._is_request = True
        self._input_ended = False
        self._ended = False
        self._closed_by_peer = False
        self._meaning: str | None = None
        self.queue = EventQueue(self._translate)

    # asyncio's calls

    def data_received(self, data: bytes) -> None:
        """Take the request, then what the guard lets through."""
        if self._is_request:
            self._is_request = False
            super().data_received(data)  # type: ignore[misc]  # uvicorn's class stands behind
            if hasattr(self, "scope"):
                offer_frames(self.scope, UvicornFrames(self))
        else:
            self._receive(data)

    def eof_received(self) -> Any:  # a bool; uvicorn's says None
        """Keep our direction open where a close frame is still owed."""
        self._input_ended = True
        if self._ended:
            self.transport.close()
        elif not (self._closed_by_peer or self._input.failed):
            self.transport.abort()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the peer has vanished; if it has not, it said so before."""
        with self._meant_as("lost"):
            super().connection_lost(exc)  # type: ignore[misc]  # as above

    def pause_writing(self) -> None:
        """Note that pings are not answered for now."""
        self._input.writing_paused = True
        super().pause_writing()  # type: ignore[misc]  # as above

    def resume_writing(self) -> None:
        """Answer the latest ping."""
        super().resume_writing()  # type: ignore[misc]  # as above
        ping = self._input.resume()
        if ping:
            super().data_received(ping)  # type: ignore[misc]  # as above

    # uvicorn's calls

    async def send(self, message: Any) -> None:
        """Do what the application asks; its own close is no news for it."""
        if message["type"] != "websocket.close" or not self.handshake_complete:
            await super().send(message)  # type: ignore[misc]  # as above
            return
        await self.writable.wait()  # type: ignore[attr-defined]  # what follows does not suspend
        with self._meant_as("own close"):
            await super().send(message)  # type: ignore[misc]  # as above

    # The application's calls, by `UvicornFrames`

    def begin(self, options: WebSocketOptions, connection: FramedConnection) -> None:
        """Guard from now on."""
        self._input.begin(options, connection)
        self._receive(b"")

    def end(self) -> None:
        """End this direction, or all when the other has ended."""
        self._ended = True
        if self._input_ended or self._closed_by_peer or not self.transport.can_write_eof():
            self.transport.close()
        else:
            end_output(self.transport)
            self.transport.resume_reading()

    def ping_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a ping."""
        raise NotImplementedError

    def pong_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a pong."""
        raise NotImplementedError

    # In between

    def _receive(self, data: bytes) -> None:
        for one in self._input.receive(data):
            if isinstance(one, bytes):
                super().data_received(one)  # type: ignore[misc]  # as above
            else:
                self._tell(one)

    def _tell(self, event: Event) -> None:
        """Pass an event on, and hold the peer back until the application has taken it."""
        self.queue.put_nowait(event)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _translate(self, event: Event) -> Event | None:
        if event["type"] != "websocket.disconnect":
            return event
        if self._meaning == "own close":
            return None
        if self._meaning == "closed by peer":
            return {**event, "type": "turnout.closing"}
        if self._meaning == "failed":
            error = found_by_host(event["code"], event.get("reason", ""))
            return {"type": "turnout.failed", "error": error}
        if self._meaning == "lost":
            return {**event, "code": 1006}
        return event

    @contextlib.contextmanager
    def _meant_as(self, meaning: str) -> Iterator[None]:
        """Say what an event that uvicorn makes within this block means."""
        outer, self._meaning = self._meaning, meaning
        try:
            yield
        finally:
            self._meaning = outer


class GuardedSansioProtocol(_Guarded, WebSocketsSansIOProtocol):
    """uvicorn's protocol over the sans-I/O core of websockets.

    That takes a close frame within a fragmented message for an error (RFC 6455 section 5.4 does
    not), so it does not get to see any.
    """

    keeps_close = True

    def _tell(self, event: Event) -> None:
        if event["type"] == "turnout.closing":
            self._answer_close(event["code"], event["reason"])
        super()._tell(event)

    def _answer_close(self, code: int, reason: str) -> None:
        self._closed_by_peer = True
        if not self.close_sent:
            self.close_sent = True
            if code == NO_STATUS_CODE.code:
                self.conn.send_close()
            else:
                self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def handle_parser_exception(self) -> None:
        """Say that the parser found something wrong; uvicorn has the close frame sent by itself."""
        self._input.failed = True
        with self._meant_as("failed"):
            super().handle_parser_exception()

    def ping_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a ping."""
        self.conn.send_ping(payload)
        return b"".join(self.conn.data_to_send())

    def pong_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a pong."""
        self.conn.send_pong(payload)
        return b"".join(self.conn.data_to_send())


class GuardedWsprotoProtocol(_Guarded, WSProtocol):
    """uvicorn's protocol over wsproto."""

    def handle_close(self, event: Any) -> None:
        """Say that the peer has closed, or that wsproto could not read a frame."""
        if self.conn.state is ConnectionState.OPEN:
            self._input.failed = True
            error = found_by_host(event.code, event.reason)
            self.queue.put_nowait({"type": "turnout.failed", "error": error})
            return
        self._closed_by_peer = True
        with self._meant_as("closed by peer"):
            super().handle_close(event)

    def ping_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a ping."""
        return self.conn.send(Ping(payload))

    def pong_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a pong."""
        return self.conn.send(Pong(payload))
