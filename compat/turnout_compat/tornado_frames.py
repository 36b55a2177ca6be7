"""Tornado's WebSocket frames, read with the checks that Tornado leaves out.

What `tornado.websocket.WebSocketProtocol13` does, up to 6.6.1, and what this does instead; a test
for each shows that Tornado still does it.

- An unmasked frame is accepted (RFC 6455 section 5.1: fail the connection; 1002).
- A reserved bit or opcode, a bad control frame or a fragment out of order cuts the connection
  without a close frame (1002).
- An illegal close code is echoed, even 1005, and so is half a code (1002).
- Text that is not UTF-8 cuts the connection without a close frame, and only at the end of the
  message (1007, at the fragment that has it). A close reason that is not UTF-8 raises (1007).
- A message over the limit is answered with 1009 and a reset, which may destroy the 1009. The limit
  is one for text and binary, and one for what is inflated.
- Inflating knows no BFINAL: what follows such a block is lost; data that does not inflate raises.
- The peer's close frame is answered before anyone was asked.
- Until 6.6, a peer that sends fast enough keeps all others waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tornado.iostream import SSLIOStream
from tornado.websocket import WebSocketProtocol13, _WebSocketParams

from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import whole_binary, whole_text
from turnout.protocol.frames import (
    BINARY,
    CONTROL,
    FIN,
    MASKED,
    RSV1,
    TEXT,
    TWO_BYTES,
    FrameHeader,
    check_first_bytes,
    header_size,
    read_header,
)
from turnout.protocol.limits import SizeLimits, too_big
from turnout.protocol.masking import find_mask
from turnout.protocol.reassembler import Reassembler
from turnout.protocol.receivers import NOT_UTF8, CloseReceived, ControlFrame, PlainFrame
from turnout_compat.asyncio_stepping import call_outside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from tornado.iostream import IOStream
    from tornado.websocket import WebSocketHandler

    from turnout.messages import Message
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.receivers import FrameReceiver

__all__ = ["CheckedWebSocketProtocol", "FrameSink"]

DISCARD_SIZE = 64 * 1024
FRAMES_IN_A_ROW = 64


PARAMETERS = _WebSocketParams()
"""Tornado's settings, the same for all: what they are about is the session's."""


@lru_cache(maxsize=64)
def _short_limits(text: int, binary: int) -> Mapping[int, int]:
    """Return how long a message may be whose length takes one byte, by its first byte."""
    return {FIN | TEXT: min(text, TWO_BYTES - 1), FIN | BINARY: min(binary, TWO_BYTES - 1)}


class FrameSink(Protocol):
    """What takes the events of a connection."""

    heard: bool
    """Set whenever bytes have arrived."""

    def received(self, event: Message | CloseReceived) -> Awaitable[None] | None:
        """Take a message, a ping, a pong or the close frame; return what to wait for, if any."""

    def violated(self, error: ProtocolError) -> None:
        """Take the peer's violation of the protocol; nothing follows."""


class CheckedWebSocketProtocol(WebSocketProtocol13):
    """Tornado's loop, its reads and its writes, with our checks between.

    Fragments and what is compressed go through the standard driver's reassembler. Once
    `discarding` is set, what comes is read and dropped. Pings are the sink's to answer, and it
    closes the stream.
    """

    # Beside Tornado's own, which are in a dict: with these in it, it would take twice as much.
    __slots__ = (
        "_deflate",
        "_frames",
        "_limits",
        "_mask",
        "_over_tls",
        "_partial",
        "_reassembler",
        "_reserved",
        "_short_limits",
        "_sink",
        "_task",
        "discarding",
    )

    def __init__(
        self,
        handler: WebSocketHandler,
        stream: IOStream,
        sink: FrameSink,
        options: WebSocketOptions,
        deflate: DeflateParameters | None,
        *,
        partial: bool,
    ) -> None:
        super().__init__(handler, False, PARAMETERS)
        self.stream = stream
        self.discarding = False
        self._sink = sink
        self._limits = SizeLimits(options, partial)
        self._short_limits = _short_limits(self._limits.text, self._limits.binary)
        self._reserved = 0 if deflate is None else RSV1
        self._deflate = deflate
        self._partial = partial
        self._reassembler: Reassembler | None = None
        self._mask = find_mask()
        self._frames = 0
        self._over_tls = isinstance(stream, SSLIOStream)
        self._task: asyncio.Task[None]

    async def run(self) -> None:
        """Read until the connection is over; the handler's `on_close` is called at the end."""
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        try:
            with contextlib.suppress(OSError):  # a broken stream keeps it, and tells the session
                await self._receive_frame_loop()
        finally:
            self.handler.on_ws_connection_close()  # until 6.6, not after every error

    def write_frame(
        self, opcode: int, payload: bytes, *, fin: bool = True, compressed: bool = False
    ) -> asyncio.Future[None]:
        """Write one frame; the future is done when the socket has taken it."""
        return self._write_frame(fin, opcode, payload, RSV1 if compressed else 0)

    async def _receive_frame(self) -> None:
        """Read one frame; called by Tornado in a loop."""
        if self.discarding:
            await self.stream.read_bytes(DISCARD_SIZE, partial=True)
            return
        self._frames += 1
        if not self._frames % FRAMES_IN_A_ROW or self._rests:
            await asyncio.sleep(0)
        try:
            start = await self._read_bytes(2)
            limit = self._short_limits.get(start[0], -1)
            length = start[1] ^ MASKED
            if length <= limit and not self._in_message():
                # Most messages: whole, plain, and of one byte of length.
                rest = await self._read_bytes(4 + length)
                self._sink.heard = True
                waiting = self._deliver(self._message(start[0], rest))
                if waiting is not None:
                    await waiting
            else:
                await self._receive_any_frame(start)
        except ProtocolError as error:
            self.discarding = True
            self._sink.violated(error.with_traceback(None))

    def _message(self, first: int, rest: bytes) -> Message:
        payload = self._mask(rest[4:], rest[:4])
        if first == FIN | BINARY:
            return whole_binary(payload)
        try:
            return whole_text(payload.decode())
        except UnicodeDecodeError:
            raise InvalidPayloadError(NOT_UTF8) from None

    async def _receive_any_frame(self, start: bytes) -> None:
        check_first_bytes(start[0], start[1], self._reserved)
        header = read_header(start + await self._read_bytes(header_size(start[1]) - 2), 0)
        receiver = self._begin(header)
        missing = header.length
        while True:
            part = await self.stream.read_bytes(missing, partial=True) if missing else b""
            missing -= len(part)
            self._sink.heard = True
            event = receiver.feed(part, not missing)
            if event is not None:
                waiting = self._deliver(event)
                if waiting is not None:
                    await waiting
            if not missing:
                return

    def _deliver(self, event: Message | CloseReceived) -> Awaitable[None] | None:
        if type(event) is CloseReceived:
            self.discarding = True
        return call_outside(self._task, self._sink.received, event)

    @property
    def _rests(self) -> bool:
        """True over TLS where all that was read is handled: others come first.

        Before the peer can have answered, a read is a call of OpenSSL for nothing, and the socket
        is put back under watch: 12 of 45 µs of a short echo.
        """
        return self._over_tls and not self.stream._read_buffer_size  # noqa: SLF001  # no public way

    def _in_message(self) -> bool:
        return self._reassembler is not None and self._reassembler.in_message

    def _begin(self, header: FrameHeader) -> FrameReceiver:
        if header.first & CONTROL:
            return ControlFrame(header, self._mask)
        if header.first in self._short_limits and not self._in_message():
            limit = self._limits.left(header.opcode == TEXT, 0)
            if header.length > limit:
                raise too_big(header.length, limit)
            return PlainFrame(header, self._mask)
        if self._reassembler is None:
            self._reassembler = Reassembler(self._limits, self._deflate, self._partial)
        self._reassembler.begin(header)
        return self._reassembler
