"""The standard driver: bytes in, events and bytes out, no I/O.

How a byte travels. `receive_data` only stores; `next_event` pulls, so that a chunk of highly
compressed messages is never inflated all at once: whoever stops pulling stops inflating.

The driver reads every frame header itself and decides who takes the payload:

- *the short cut*: a whole, uncompressed message in one frame, between messages. When all of it is
  there it is unmasked and delivered in `next_event` itself; when it is not, `PlainFrame` takes it
  as it comes. Whole control frames go past wsproto as well: else the pong that every idle
  connection sends would build one (1.7 KiB each), and wsproto 1.3.2 refuses close code 1014.
- *wsproto*, in `Reassembler`: everything else. It is built at the first frame that needs it.

Since wsproto gets exactly the frames it needs, whole and in order, nothing of its state has to be
known; between two of them the short cut is taken again.

After a violation, or the peer's close frame, all that follows is discarded (RFC 6455 section
7.1.7: such an endpoint must not go on processing data).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import whole_binary, whole_text
from turnout.protocol.encoder import FrameEncoder
from turnout.protocol.frames import (
    BINARY,
    CLOSE,
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

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.receivers import FrameReceiver

__all__ = ["CloseReceived", "Driver", "Event", "Failed"]

SHORTEST_HEADER: Final = 6
_WHOLE_TEXT: Final = FIN | TEXT
_WHOLE_BINARY: Final = FIN | BINARY


@dataclass(frozen=True, slots=True)
class Failed:
    """A violation by the peer: close with `status`; nothing that follows is read."""

    status: CloseStatus
    error: ProtocolError


Event: TypeAlias = "Message | CloseReceived | Failed"


class Driver(FrameEncoder):
    """One server-side WebSocket after its handshake; `FrameEncoder` is its outbound half.

    With `partial`, a fragmented message is delivered frame by frame (`is_first`, `is_last`), so
    cutting the same bytes otherwise never changes the events. An empty piece in the middle of a
    message is left out. One thing depends on the cuts: which of its violations is reported of a
    compressed message that is too big and does not inflate, or is no UTF-8 (1009 or 1007).
    """

    __slots__ = (
        "_agreed",
        "_at_boundary",
        "_chunk",
        "_chunks",
        "_discarding",
        "_eof",
        "_limits",
        "_mask",
        "_missing",
        "_partial",
        "_position",
        "_reassembler",
        "_receiver",
    )

    # Tests switch it off to compare both ways.
    _short_cut = True

    def __init__(
        self,
        options: WebSocketOptions,
        deflate: DeflateParameters | None = None,
        partial: bool = False,
    ) -> None:
        super().__init__(deflate)
        self._limits = SizeLimits(options, partial)
        self._agreed = deflate
        self._partial = partial
        self._mask = find_mask()
        self._chunk = b""
        self._position = 0
        self._chunks: deque[bytes] | None = None
        self._at_boundary = self._short_cut
        self._discarding = False
        self._eof = False
        self._receiver: FrameReceiver | None = None
        self._missing = 0
        self._reassembler: Reassembler | None = None

    def receive_data(self, data: bytes) -> None:
        """Store bytes that the peer sent; what they mean comes from `next_event`."""
        if self._discarding:
            return
        if not self._chunks and self._position == len(self._chunk):
            self._chunk = data
            self._position = 0
        elif self._chunks is None:
            self._chunks = deque((data,))
        else:
            self._chunks.append(data)

    def receive_eof(self) -> None:
        """Note that the peer sends no more: what is left of an unfinished frame is dropped."""
        self._eof = True

    def next_event(self) -> Event | None:
        """Return the next event, or None when it takes more bytes.

        After `CloseReceived` or `Failed` there is no event any more.
        """
        chunk = self._chunk
        start = self._position
        size = len(chunk) - start
        if not size and not self._chunks:
            self._chunk = b""  # an idle connection keeps no bytes that it has read
            self._position = 0
            return None
        # One function and no helper: here is where the time of a small message goes.
        if size >= SHORTEST_HEADER and self._at_boundary:
            length = chunk[start + 1] ^ MASKED
            begin = start + SHORTEST_HEADER
            if length >= TWO_BYTES:
                is_longer = length > TWO_BYTES  # or not masked
                length = chunk[start + 2] << 8 | chunk[start + 3]
                begin += 2
                if is_longer or length < TWO_BYTES:
                    return self._advance()
            end = begin + length
            if end <= len(chunk):
                first = chunk[start]
                if first == _WHOLE_TEXT and length <= self._limits.text:
                    self._position = end
                    payload = self._mask(chunk[begin:end], chunk[begin - 4 : begin])
                    try:
                        return whole_text(payload.decode())
                    except UnicodeDecodeError:
                        return self._fail(InvalidPayloadError(NOT_UTF8))
                if first == _WHOLE_BINARY and length <= self._limits.binary:
                    self._position = end
                    return whole_binary(self._mask(chunk[begin:end], chunk[begin - 4 : begin]))
        return self._advance()

    def _advance(self) -> Event | None:
        try:
            return self._next_frame_event()
        except ProtocolError as error:
            return self._fail(error)

    def _next_frame_event(self) -> Event | None:
        while True:
            if self._receiver is None:
                header = self._read_header()
                if header is None:
                    break
                self._receiver = self._begin(header)
                self._missing = header.length
                self._at_boundary = False
            part = self._take_payload()
            if self._missing and not part:
                break
            event = self._feed(self._receiver, part)
            if event is not None:
                return event
        if self._eof:
            self._discard()
        return None

    def _feed(self, receiver: FrameReceiver, part: bytes) -> Event | None:
        self._missing -= len(part)
        if self._missing:
            return receiver.feed(part, False)
        self._receiver = None
        event = receiver.feed(part, True)
        self._at_boundary = self._short_cut and not self._in_message()
        if isinstance(event, CloseReceived):
            self._discard()
        return event

    def _read_header(self) -> FrameHeader | None:
        if not self._has(2):
            return None
        first, second = self._chunk[self._position : self._position + 2]
        check_first_bytes(first, second, 0 if self._agreed is None else RSV1)
        if not self._has(header_size(second)):
            return None
        header = read_header(self._chunk, self._position)
        self._position += len(header.raw)
        return header

    def _has(self, size: int) -> bool:
        """Tell whether `size` bytes are there, and bring them into one chunk if so.

        Only ever asked for a header, so what is copied is a few bytes and each chunk once.
        """
        while len(self._chunk) - self._position < size:
            if not self._chunks:
                return False
            self._chunk = self._chunk[self._position :] + self._chunks.popleft()
            self._position = 0
        return True

    def _take_payload(self) -> bytes:
        if self._position == len(self._chunk) and self._chunks:
            self._chunk = self._chunks.popleft()
            self._position = 0
        begin = self._position
        self._position = min(begin + self._missing, len(self._chunk))
        return self._chunk[begin : self._position]

    def _begin(self, header: FrameHeader) -> FrameReceiver:
        if header.opcode == CLOSE or (self._short_cut and header.first & CONTROL):
            return ControlFrame(header, self._mask)
        is_whole = header.first in (_WHOLE_TEXT, _WHOLE_BINARY)
        if is_whole and self._short_cut and not self._in_message():
            self._check_size(header)
            return PlainFrame(header, self._mask)
        if self._reassembler is None:
            self._reassembler = Reassembler(self._limits, self._agreed, self._partial)
        self._reassembler.begin(header)
        return self._reassembler

    def _check_size(self, header: FrameHeader) -> None:
        limit = self._limits.left(header.opcode == TEXT, 0)
        if header.length > limit:
            raise too_big(header.length, limit)

    def _in_message(self) -> bool:
        return self._reassembler is not None and self._reassembler.in_message

    def _fail(self, error: ProtocolError) -> Failed:
        self._discard()
        return Failed(CloseStatus(error.code), error.with_traceback(None))

    def _discard(self) -> None:
        self._discarding = True
        self._at_boundary = False
        self._receiver = None
        self._reassembler = None
        self._chunk = b""
        self._position = 0
        self._chunks = None
