"""What uvicorn's two sans-I/O WebSocket protocols lack, put around them from outside.

Both know one limit for all handlers. The one over websockets accepts a length in more bytes than
it needs, and sees text that is no UTF-8 only at the end of its message; the one over wsproto ends
the connection without a close frame in both cases. Both report a peer that vanished as 1005, and
report the application's own close as the end, before the peer has answered it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState
from wsproto.events import Ping, Pong

from turnout.close import NO_STATUS_CODE
from turnout.drive import drive
from turnout_compat.asgi_frames import Event, found_by_host
from turnout_compat.uvicorn_streams import GuardedStream

__all__ = ["GuardedSansioProtocol", "GuardedWsprotoProtocol"]


class EventQueue(asyncio.Queue[Event]):
    """A queue whose events are looked at first."""

    def __init__(
        self, translate: Callable[[Event], Event | None], deliver: Callable[[Event], bool]
    ) -> None:
        super().__init__()
        self._translate = translate
        self._deliver = deliver

    def put_nowait(self, item: Event) -> None:
        """Put in what the event really means, if it means anything."""
        event = self._translate(item)
        if event is not item and event is not None and event["type"].startswith("turnout."):
            event = None if self._deliver(event) else event
        if event is not None:
            super().put_nowait(event)


class _Guarded(GuardedStream):
    """What the two protocols have in common, in front of uvicorn's class."""

    queue: Any
    close_sent: bool
    handshake_complete: bool
    read_paused: bool
    writable: asyncio.Event

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._meaning: str | None = None
        self.queue = EventQueue(self._translate, self._input.deliver)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the peer has vanished; if it has not, it said so before."""
        with self._meant_as("lost"):
            super().connection_lost(exc)  # type: ignore[misc]  # uvicorn's class stands behind
        self.writable.set()  # nobody else lets a sender go on that waits for the peer to read

    # uvicorn's calls

    async def send(self, message: Any) -> None:
        """Do what the application asks; its own close is no news for it."""
        if message["type"] != "websocket.close" or not self.handshake_complete:
            await super().send(message)  # type: ignore[misc]  # as above
            return
        await self.writable.wait()  # what follows does not suspend
        with self._meant_as("own close"):
            await super().send(message)  # type: ignore[misc]  # as above
        # uvicorn passes no message on any more, so none would be taken that others wait for.
        self._input.wait_no_more()
        if self._input.waits:
            self._receive_more()

    async def receive(self) -> Any:
        """Return the next event; the peer may send more when all are taken."""
        event = await super().receive()  # type: ignore[misc]  # as above
        if self._input.waits and self.queue.empty():
            self._receive_more()
        return event

    # The application's calls, by `UvicornFrames`

    def takes_more(self) -> bool:
        """Tell whether a frame may be written without waiting; none goes behind a close."""
        return self.writable.is_set() and self._may_write()

    def close_now(self, event: Mapping[str, Any]) -> None:
        """Send the close frame of an event: while the transport takes more, nothing waits."""
        drive(self.send(event))

    async def write(self, frame: bytes) -> None:
        """Write a frame once the peer reads as fast as it is written to; none behind a close."""
        await self.writable.wait()
        if self._may_write():
            self.transport.write(frame)

    def _may_write(self) -> bool:
        return not (self.close_sent or self._closed_by_peer or self.transport.is_closing())

    # In between

    def _tell(self, event: Event) -> None:
        """Pass an event on, and hold the peer back until the application has taken it."""
        if self._input.deliver(event):
            return
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

    keeps_close: ClassVar[bool] = True
    checks_text: ClassVar[bool] = True

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

    def handle_connect(self, event: Any) -> None:
        """Run the application, with the offers of the client, which wsproto keeps to itself."""
        super().handle_connect(event)
        offers = ", ".join(event.extensions)
        if offers:
            self.scope["headers"].append((b"sec-websocket-extensions", offers.encode()))

    def handle_close(self, event: Any) -> None:
        """Say that the peer has closed, or that wsproto could not read a frame."""
        if self.conn.state is ConnectionState.OPEN:
            self._input.failed = True
            error = found_by_host(event.code, event.reason)
            self._tell({"type": "turnout.failed", "error": error})
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
