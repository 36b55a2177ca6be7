"""What every WebSocket protocol of uvicorn needs around it: a guard on the way in, and two ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from turnout_compat.asgi_frames import FRAME, Event, Frames, GuardedInput, offer_frames
from turnout_compat.asyncio_transport import bound_reads, end_output

if TYPE_CHECKING:
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["GuardedStream", "UvicornFrames"]


class UvicornFrames(Frames):
    """The connection of one of a protocol that is guarded."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def begin(self, connection: FramedConnection) -> None:
        """Guard what the peer sends, and leave the time for its close frame to the session."""
        self._protocol.close_timeout = connection.options.close_timeout + 1
        self._protocol.begin(connection)

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Write a frame while the client reads as fast as it is written to."""
        kind = event["type"]
        if kind not in (FRAME, "websocket.close") or not self._protocol.takes_more():
            return False
        if kind == FRAME:
            self._protocol.transport.write(event["payload"])
        else:
            self._protocol.close_now(event)
        return True

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        self._protocol.transport.write(self._protocol.ping_frame(payload))

    async def pong(self, payload: bytes) -> None:
        """Send a pong."""
        self._protocol.transport.write(self._protocol.pong_frame(payload))

    async def write(self, frame: bytes) -> None:
        """Write a frame as it is."""
        await self._protocol.write(frame)

    async def end(self) -> None:
        """End this direction; the protocol waits for the end of the other one."""
        self._protocol.end()

    def abort(self) -> None:
        """Cut the connection."""
        self._protocol.transport.abort()


class GuardedStream:
    """Stands in front of a protocol of uvicorn's, which is behind `super()`."""

    transport: asyncio.Transport
    scope: Any
    keeps_close: ClassVar[bool] = False
    keeps_pings: ClassVar[bool] = False
    checks_text: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input = GuardedInput(
            keeps_close=self.keeps_close,
            keeps_pings=self.keeps_pings,
            checks_text=self.checks_text,
            paced=True,
        )
        self._is_request = True
        self._input_ended = False
        self._ended = False
        self._closed_by_peer = False

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
        else:
            self._end_input()
        return self.transport.can_write_eof()

    def pause_writing(self) -> None:
        """Note that pings are not answered for now."""
        self._input.writing_paused = True
        super().pause_writing()  # type: ignore[misc]  # as above

    def resume_writing(self) -> None:
        """Answer the latest ping."""
        super().resume_writing()  # type: ignore[misc]  # as above
        ping = self._input.resume()
        if ping:
            self._take(ping)

    # The application's calls, by `UvicornFrames`

    def begin(self, connection: FramedConnection) -> None:
        """Guard from now on."""
        bound_reads(self.transport)
        self._input.begin(connection)
        self._receive(b"")
        self._end_input()

    def end(self) -> None:
        """End this direction, or all when the other has ended."""
        self._ended = True
        if self._input_ended or self._closed_by_peer:
            self.transport.close()
        else:
            end_output(self.transport)
            self.transport.resume_reading()

    def takes_more(self) -> bool:
        """Tell whether a frame may be written without waiting."""
        raise NotImplementedError

    def close_now(self, event: Mapping[str, Any]) -> None:
        """Send the close frame of an event, where `takes_more`."""
        raise NotImplementedError

    async def write(self, frame: bytes) -> None:
        """Write a frame once the peer reads as fast as it is written to."""
        raise NotImplementedError

    def ping_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a ping."""
        raise NotImplementedError

    def pong_frame(self, payload: bytes) -> bytes:
        """Return the bytes of a pong."""
        raise NotImplementedError

    # In between

    def _end_input(self) -> None:
        """Cut the connection if the peer has, unless it is owed a close frame."""
        if not self._input_ended or self._input.early_size or self._input.waits:
            return  # in the latter two it is not known yet what the peer has said last
        if not (self._closed_by_peer or self._input.closed or self._input.failed):
            self.transport.abort()

    def _receive(self, data: bytes) -> None:
        for one in self._input.receive(data):
            self._take(one)

    def _receive_more(self) -> None:
        """Take what waited until the application had taken what came before."""
        for one in self._input.more():
            self._take(one)
        self._end_input()

    def _take(self, one: bytes | Event) -> None:
        if isinstance(one, bytes):
            super().data_received(one)  # type: ignore[misc]  # as above
        else:
            self._tell(one)

    def _tell(self, event: Event) -> None:
        """Pass an event on to the application."""
        raise NotImplementedError
