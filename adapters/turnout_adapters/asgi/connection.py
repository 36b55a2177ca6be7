"""One WebSocket over the events of an ASGI host."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from turnout.close import NO_STATUS_CODE, CloseStatus
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol.connection import CORK_LIMIT
from turnout.protocol.encoder import FrameEncoder
from turnout_compat.asgi_frames import FRAME, IN_A_ROW, FramedConnection, frames_of
from turnout_compat.asyncio_hosts import outlast
from turnout_compat.asyncio_stepping import call_outside

if TYPE_CHECKING:
    from turnout.protocol.prepared import PreparedMessage
    from turnout.runtime import Task
    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse
    from turnout_adapters.asgi.types import Event
    from turnout_compat.asgi_frames import Frames
    from turnout_compat.frame_guard import FrameGuard

__all__ = ["AsgiConnection"]

END = "turnout.end"
"""What stands behind the last event that goes out."""


class AsgiConnection(FramedConnection):
    """Reads where the application is called, and writes in a task: a host's `send` may wait.

    Where the host has `Frames`, control frames and the end of the connection go through them, and
    whatever need not wait.
    """

    def __init__(self, request: AsgiRequest, response: AsgiResponse, upgrade: Upgrade) -> None:
        self.native = request.native
        self.local_address = request.local_address
        self.remote_address = request.remote_address
        self._receive = request.receiver.receive
        self._send = response.pass_on
        self.options = upgrade.options
        self.deflate = upgrade.deflate
        self._handler = upgrade.handler
        self._frames: Frames | None = frames_of(self.native)
        self._encoder = None if self._frames is None else FrameEncoder(upgrade.deflate)
        self._loop = asyncio.get_running_loop()
        self._outbound: list[Event] = []  # few: the session waits as soon as there is one
        self._pieces: list[Any] = []
        self._events = itertools.count(1)
        self._reading_paused = False
        self._resumed: asyncio.Event | None = None  # made when the reader first waits for it
        self._writer: asyncio.Task[None] | None = None
        self._started = False
        self._taken = 0
        self._corks = False
        self._corked: list[bytes] = []
        self._corked_size = 0
        self._close_sent = False
        self._lost = False

    # The session's calls

    def start(self) -> None:
        """Begin to read."""
        self._started = True
        if self._frames is not None:
            self._frames.begin(self)

    def send(self, message: Message) -> None:
        """Hand over one message; of one in pieces, nothing before the last of them.

        Raises `UnicodeEncodeError` for text with a lone surrogate; then nothing has changed.
        """
        if isinstance(message, (TextMessage, BinaryMessage)):
            whole = message if message.is_whole else self._join(message)
            if whole is not None:
                self._send_whole(whole)
        elif self._frames is not None:
            kind = "ping" if isinstance(message, PingMessage) else "pong"
            self._post({"type": f"turnout.{kind}", "payload": message.payload})
        else:
            self.heard = True  # a ping that cannot be sent proves nothing against the peer

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Hand over a message that many connections get, compressed once for all of them."""
        if self._encoder is None:
            self.send(prepared.message)
        else:
            self._post_frame(self._encoder.encode_prepared(prepared))

    def send_close(self, status: CloseStatus) -> None:
        """Let the host send its close frame; ASGI knows none without a code."""
        if self._close_sent or self._lost:
            return
        self._close_sent = True
        self.resume_reading()  # nothing holds back the peer's close frame
        code = 1000 if status == NO_STATUS_CODE else status.code
        self._post({"type": "websocket.close", "code": code, "reason": status.reason})

    def pause_reading(self) -> None:
        """Take no further event: the host holds the peer back."""
        if not self._close_sent:
            self._reading_paused = True
            if self._resumed is not None:
                self._resumed.clear()

    def resume_reading(self) -> None:
        """Take events again."""
        self._reading_paused = False
        if self._resumed is not None:
            self._resumed.set()

    def close(self) -> None:
        """End the connection behind what was handed over; most hosts do by themselves."""
        if self._frames is not None:
            self._post({"type": END})

    def abort(self) -> None:
        """Cut the connection."""
        self._outbound.clear()
        self._corked.clear()
        if self._frames is not None:
            self._frames.abort()

    def take_messages(self, passed_on: int, guard: FrameGuard) -> None:
        """Take messages where they arrive; what is sent meanwhile leaves in one write."""
        if self._taken == passed_on:
            self._call_outside(self._take_each, guard)

    def take_event(self, passed_on: int, event: Event) -> bool:
        """Take an event where it arrives."""
        if self._taken != passed_on or self._reading_paused:
            return False
        self._call_outside(self._take, event)
        return True

    def _call_outside(self, call: Callable[[Any], None], argument: Any) -> None:
        task = asyncio.current_task(self._loop)
        if task is None:
            call(argument)
        else:
            call_outside(task, call, argument)

    def _take_each(self, guard: FrameGuard) -> None:
        try:
            while not self._reading_paused and (message := guard.next_message()) is not None:
                self._corks = not guard.is_drained
                if not self._close_sent:
                    self.session.message_received(message)
        finally:
            self._corks = False
            self._flush()

    def take_control(self, message: PingMessage | PongMessage) -> bool:
        """Tell the session at once of what its handler does not see."""
        if isinstance(message, PongMessage):
            if not self._handler.pongs:
                self.session.pong_received(message)
            return not self._handler.pongs
        return not self._handler.pings

    # The application's calls

    async def serve(self, session: Task[None]) -> None:
        """Read until the connection has ended, and return when the session has too.

        What cancels this, cancels the session. Its close handshake goes on: a task reads for it, so
        that no further cancellation reaches the host's `receive`. A second one ends the session
        where the host does not tell of its end.
        """
        try:
            await self._read_once_started()
        except asyncio.CancelledError:
            session.cancel()
            reader = self._loop.create_task(self._read_to_the_end())
            await outlast(session)
            reader.cancel()
            await self._wait_ended()
            raise
        cancelled = await outlast(session)
        await self._wait_ended()
        if cancelled is not None:
            raise cancelled

    async def _read_once_started(self) -> None:
        """Read until the connection has ended; nothing if the session fails to start."""
        if not self._started:
            await asyncio.sleep(0)  # the session starts at its first step, which is due before
        if self._started:
            await self._read()

    async def _read_to_the_end(self) -> None:
        try:
            await self._read_once_started()
        finally:  # a host's `receive` may be cancelled by itself
            self._connection_lost(None)

    async def _wait_ended(self) -> None:
        """Return when nothing is sent any more."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    # Outwards

    def _join(self, message: TextMessage | BinaryMessage) -> TextMessage | BinaryMessage | None:
        _check(message)
        self._pieces.append(message.payload)
        if not message.is_last:
            return None
        pieces, self._pieces = self._pieces, []
        if isinstance(message, TextMessage):
            return TextMessage("".join(pieces))
        return BinaryMessage(b"".join(pieces))

    def _send_whole(self, message: TextMessage | BinaryMessage) -> None:
        if self._encoder is not None:
            self._post_frame(self._encoder.encode(message))
        else:
            _check(message)
            kind = "text" if isinstance(message, TextMessage) else "bytes"
            self._post({"type": "websocket.send", kind: message.payload})

    def _post_frame(self, frame: bytes) -> None:
        if not (self._corks or self._corked):
            self._post({"type": FRAME, "payload": frame})
            return
        self._corked.append(frame)
        self._corked_size += len(frame)
        if not self._corks or self._corked_size >= CORK_LIMIT:
            self._flush()

    def _flush(self) -> None:
        if self._corked:
            frames, self._corked, self._corked_size = self._corked, [], 0
            self._post({"type": FRAME, "payload": b"".join(frames)})

    def _post(self, event: Event) -> None:
        self._flush()
        if self._lost:
            return
        if self._writer is None:
            if self._frames is not None and self._frames.write_now(event):
                return
            self._start_writing()
        self._outbound.append(event)

    def _start_writing(self) -> None:
        self.session.pause_writing()
        self._writer = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._outbound:
                await self._pass_on(self._outbound.pop(0))
        except Exception as error:
            self._fail_writing(error)
        finally:
            self._writer = None
        if not self._lost:
            self.session.resume_writing()

    async def _pass_on(self, event: Event) -> None:
        if self._frames is None or not event["type"].startswith("turnout."):
            await self._send(event)
        elif event["type"] == END:
            await self._frames.end()
        elif event["type"] == FRAME:
            await self._frames.write(event["payload"])
        elif event["type"] == "turnout.ping":
            await self._frames.ping(event["payload"])
        else:
            await self._frames.pong(event["payload"])

    def _fail_writing(self, error: Exception) -> None:
        """Note that the host takes nothing any more: by itself, or because the client has gone."""
        self._outbound.clear()
        if self._frames is not None:
            self._frames.abort()

    # Inwards

    async def _read(self) -> None:
        error: Exception | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            while (event := await self._next_event())["type"] != "websocket.disconnect":
                self._taken += 1
                call_outside(task, self._take, event)
                if not next(self._events) % IN_A_ROW:
                    await asyncio.sleep(0)  # a host's queue does not give way while it has more
            self._disconnected(event)
        except Exception as raised:
            error = raised
        self._connection_lost(error)

    def _next_event(self) -> Awaitable[Event]:
        return self._next_when_resumed() if self._reading_paused else self._receive()

    async def _next_when_resumed(self) -> Event:
        await self._wait_resumed()
        return await self._receive()

    async def _wait_resumed(self) -> None:
        if self._resumed is None:
            self._resumed = asyncio.Event()
        await self._resumed.wait()

    def _take(self, event: Event) -> None:
        self._taken_by[event["type"]](self, event)

    def _message(self, event: Event) -> None:
        self.heard = True
        text: str | None = event.get("text")
        message = BinaryMessage(event["bytes"]) if text is None else TextMessage(text)
        if not self._close_sent:
            self.session.message_received(message)

    def _ping(self, event: Event) -> None:
        self.session.ping_received(event["message"])

    def _pong(self, event: Event) -> None:
        self.session.pong_received(event["message"])

    def _failed(self, event: Event) -> None:
        error = event["error"]
        self.session.failed(CloseStatus(error.code), error)

    def _closing(self, event: Event) -> None:
        """Take the peer's close frame, which the host has answered by itself."""
        self._close_sent = True
        self.session.close_received(CloseStatus(event["code"], event.get("reason") or ""))

    def _disconnected(self, event: Event) -> None:
        """Take the end; the peer's close frame has been told of before."""

    _taken_by: ClassVar[dict[str, Callable[[AsgiConnection, Event], None]]] = {
        "websocket.receive": _message,
        "turnout.ping": _ping,
        "turnout.pong": _pong,
        "turnout.failed": _failed,
        "turnout.closing": _closing,
    }

    def _connection_lost(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._outbound.clear()
            self.session.connection_lost(error)


def _check(message: TextMessage | BinaryMessage) -> None:
    """Raise `UnicodeEncodeError` for text that has no UTF-8."""
    if isinstance(message, TextMessage) and not message.payload.isascii():
        message.payload.encode()
