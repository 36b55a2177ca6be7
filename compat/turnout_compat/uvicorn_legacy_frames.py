"""What uvicorn's protocol over the legacy server of websockets lacks, put around it from outside.

It knows one limit for all handlers, shows no control frames, fails a connection before what came
earlier is answered, and its close waits for the peer's. Of fragments it takes 4,096 a message, and
it cannot read a header field that is not ASCII.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

with warnings.catch_warnings():  # that both are deprecated; who names this strategy has been told
    warnings.filterwarnings("ignore", ".*deprecated")
    from uvicorn.protocols.websockets.websockets_impl import WebSocketProtocol
    from websockets.datastructures import Headers
    from websockets.frames import Frame, Opcode
    from websockets.protocol import State

from turnout.close import NO_STATUS_CODE
from turnout.protocol.limits import UNLIMITED
from turnout_compat.asgi_frames import Event, offer_frames
from turnout_compat.uvicorn_streams import GuardedStream, UvicornFrames

if TYPE_CHECKING:
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["GuardedLegacyProtocol"]


class GuardedLegacyProtocol(GuardedStream, WebSocketProtocol):
    """uvicorn's protocol over the legacy server of websockets, with a guard in front."""

    keeps_close: ClassVar[bool] = True
    keeps_pings: ClassVar[bool] = True
    checks_text: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One with a limit would let the transport read on, whoever else holds the peer back.
        self.reader = asyncio.StreamReader(limit=UNLIMITED, loop=self.loop)
        self._begun = False
        self._held = False
        self._delivered = 0
        self._waiting: deque[tuple[int, Event]] = deque()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._fields: list[tuple[bytes, bytes]] = []

    # asyncio's calls

    def data_received(self, data: bytes) -> None:
        """Take what came, and hold the peer back until the application has taken it."""
        super().data_received(data)
        self._hold_back()

    def _hold_back(self) -> None:
        if self._is_behind and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, behind what came before."""
        super().connection_lost(exc)
        if hasattr(self, "transfer_data_task"):
            self.transfer_data_task.add_done_callback(lambda _: self._tell_lost())
        else:
            self._tell_lost()

    # The calls of websockets

    async def process_request(self, path: str, request_headers: Headers) -> Any:
        """Keep the bytes of the fields: of what is not ASCII, uvicorn cannot make them again."""
        fields = list(request_headers.raw_items())
        self._fields = [(n.encode(), v.encode("ascii", "surrogateescape")) for n, v in fields]
        readable = Headers((n, v.encode("ascii", "replace").decode()) for n, v in fields)
        return await super().process_request(path, readable)

    def connection_open(self) -> None:
        """Begin to read; raise `ConnectionResetError` if the peer has gone meanwhile."""
        if self.state is State.CLOSED:
            raise ConnectionResetError("the peer has gone before the handshake was over")
        super().connection_open()

    async def transfer_data(self) -> None:
        """Pass message after message on, each when the application has taken the last."""
        try:
            while True:
                data = await self.read_message()
                self._delivered += 1
                kind = "text" if isinstance(data, str) else "bytes"
                self._events.put_nowait({"type": "websocket.receive", kind: data})
                self._pass_on_waiting()
                if not self._waiting:
                    await self._events.join()
        except (EOFError, OSError):
            pass  # the connection is lost, which its protocol is told

    async def read_message(self) -> str | bytes:
        """Return the next message, joined of however many fragments; the guard has bounded it."""
        frame = await self._read_fragment()
        is_text = frame.opcode == Opcode.TEXT
        data = bytearray(frame.data)
        while not frame.fin:
            frame = await self._read_fragment()
            data += frame.data
        return data.decode() if is_text else bytes(data)

    async def _read_fragment(self) -> Any:
        frame = await self.read_data_frame(max_size=None)
        assert frame is not None, "the guard keeps close frames"
        return frame

    # The application's calls

    async def run_asgi(self) -> None:
        """Run the application."""
        self.scope["headers"] = self._fields
        offer_frames(self.scope, UvicornFrames(self))
        await super().run_asgi()

    async def asgi_receive(self) -> Any:
        """Return the next event; the peer may send more when it is taken."""
        if not self._begun:
            return await super().asgi_receive()
        event = await self._events.get()
        self._events.task_done()
        if self._held and not self._is_behind:
            self._held = False
            self.transport.resume_reading()
        if self._input.waits and not self._is_behind and self.state is not State.CLOSED:
            self._receive_more()
            self._hold_back()
        return event

    async def asgi_send(self, message: Any) -> None:
        """Do what the application asks; nothing waits for the peer's close frame here."""
        if self._begun and message["type"] == "websocket.close":
            self._send_close(message["code"], message["reason"])
            return
        await super().asgi_send(message)
        if message["type"] == "websocket.accept":
            await self.handshake_completed_event.wait()  # what follows finds the 101 written

    def begin(self, connection: FramedConnection) -> None:
        """Guard from now on."""
        self._begun = True
        super().begin(connection)

    def takes_more(self) -> bool:
        """Tell whether a frame may be written without waiting; none goes behind a close."""
        return self.state is State.OPEN and not self._paused

    def close_now(self, event: Mapping[str, Any]) -> None:
        """Send the close frame of an event."""
        self._send_close(event["code"], event["reason"])

    async def write(self, frame: bytes) -> None:
        """Write a frame and wait until the peer has read enough; none goes behind a close."""
        if self.state is State.OPEN:
            self.transport.write(frame)
            await self.drain()

    def ping_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a ping."""
        return Frame(Opcode.PING, payload).serialize(mask=False)

    def pong_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a pong."""
        return Frame(Opcode.PONG, payload).serialize(mask=False)

    # In between

    @property
    def _is_behind(self) -> bool:
        return self._delivered < self._input.messages or not self._events.empty()

    def _tell(self, event: Event) -> None:
        """Pass an event on behind the messages that came before it, which websockets has yet.

        Pings are answered at once: websockets would wait in its reader to answer each of them.
        """
        if event["type"] == "turnout.answer":
            if self.state is State.OPEN:
                self.transport.write(self.pong_frame(event["payload"]))
            return
        self._waiting.append((self._input.messages, event))
        self._pass_on_waiting()

    def _pass_on_waiting(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._delivered:
            event = self._waiting.popleft()[1]
            if event["type"] == "turnout.closing":
                self._answer_close(event["code"], event["reason"])
            if not self._input.deliver(event):
                self._events.put_nowait(event)

    def _answer_close(self, code: int, reason: str) -> None:
        self._closed_by_peer = True
        self._send_close(code, reason)
        self.transport.close()

    def _send_close(self, code: int, reason: str) -> None:
        if self.state is State.OPEN:
            self.state = State.CLOSING
            payload = b"" if code == NO_STATUS_CODE.code else code.to_bytes(2) + reason.encode()
            self.write_frame_sync(True, Opcode.CLOSE, payload)

    def _tell_lost(self) -> None:
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})
