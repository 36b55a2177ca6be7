"""Reads frame headers ahead of an engine's own WebSocket reader, which lets too much through.

Engines accept frames that are not masked, illegal close codes, or text that is found to be no
UTF-8 only at the end of a long message; some count two kinds of messages against one limit. The
guard looks at each header, at the whole of each control frame and at the pieces of fragmented
text, and hands the bytes on as they are. Unmasking, joining and decoding stay with the engine.
What was compressed is handed on plain, each message in one frame.
"""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import DataMessage, PingMessage, PongMessage, whole_binary, whole_text
from turnout.protocol.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL,
    FIN,
    MASKED,
    PING,
    PONG,
    RSV1,
    TEXT,
    TWO_BYTES,
    FrameHeader,
    check_first_bytes,
    header_size,
    parse_close,
    read_header,
)
from turnout.protocol.limits import SizeLimits, too_big
from turnout.protocol.masking import find_mask
from turnout.protocol.receivers import NOT_UTF8
from turnout_compat.inflating import MessageInflater

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters

__all__ = ["ControlFrame", "FrameGuard", "Piece"]

SHORT_HEADER: Final = 6
_WHOLE_TEXT: Final = FIN | TEXT
_WHOLE: Final = frozenset((FIN | TEXT, FIN | BINARY))
_Utf8Decoder = getincrementaldecoder("utf-8")
Piece: TypeAlias = "tuple[bytes, bool]"
"""Bytes that the engine may read, and whether a message or a control frame ends with them."""
ControlFrame: TypeAlias = PingMessage | PongMessage | CloseStatus
_MEANING: Final[dict[int, Callable[[bytes], ControlFrame]]] = {
    PING: PingMessage,
    PONG: PongMessage,
    CLOSE: parse_close,
}


class FrameGuard:
    """Holds back what is incomplete, raises on what is illegal, hands on the rest, in order.

    Handlers get whole messages, so the limits are those of whole messages (inclusive, in bytes).
    With `checks_text` no text is left to the engine to check: for one that fails the connection at
    once, before what came earlier is answered. `deflate` is what the handshake has agreed on.
    """

    __slots__ = (
        "_checks_text",
        "_control_frame",
        "_data",
        "_decoder",
        "_deflate",
        "_inflater",
        "_inflating",
        "_kind",
        "_left",
        "_limits",
        "_mask",
        "_owed",
        "_position",
        "_size",
    )

    def __init__(
        self,
        options: WebSocketOptions,
        deflate: DeflateParameters | None = None,
        *,
        checks_text: bool = False,
    ) -> None:
        self._limits = SizeLimits(options, partial=False)
        self._deflate = deflate
        self._inflater: MessageInflater | None = None
        self._inflating = False
        self._checks_text = checks_text
        self._mask = find_mask()
        self._data = b""
        self._position = 0
        self._left: FrameHeader | None = None
        self._owed = 0
        self._kind: int | None = None
        self._size = 0
        self._decoder: IncrementalDecoder | None = None
        self._control_frame: ControlFrame | None = None

    @property
    def between_frames(self) -> bool:
        """True while what was handed on is whole frames."""
        return self._left is None or self._inflating

    def receive_data(self, data: bytes) -> None:
        """Store bytes that the peer sent."""
        if self._position < len(self._data):
            data = self._data[self._position :] + data
        self._data = data
        self._position = 0

    @property
    def is_drained(self) -> bool:
        """True while nothing is left of the bytes that came."""
        return self._position == len(self._data)

    def next_message(self) -> DataMessage | None:
        """Return the next message, read, if it is all there in one frame and not compressed.

        None says that `next_piece` is to be asked. Raises `InvalidPayloadError`.
        """
        begin = self._payload_of_whole()
        if begin is None:
            return None
        data, start = self._data, self._position
        end = self._position = begin + self._size
        payload = self._mask(data[begin:end], data[begin - 4 : begin])
        if data[start] != _WHOLE_TEXT:
            return whole_binary(payload)
        try:
            return whole_text(payload.decode())
        except UnicodeDecodeError:
            raise InvalidPayloadError(NOT_UTF8) from None

    def next_piece(self) -> Piece | None:
        """Return the next bytes to hand on, of one frame at most; None when it takes more.

        Raises `ProtocolError` at the first byte that shows a violation; call it no more then.
        """
        start = self._position
        if start == len(self._data):
            return None
        begin = self._payload_of_whole()
        if begin is None or (self._checks_text and self._data[start] == _WHOLE_TEXT):
            return self._next_of_any_frame()
        self._position = begin + self._size
        return self._data[start : self._position], True

    def _payload_of_whole(self) -> int | None:
        """Tell where the payload of a whole, legal message in one frame begins; set `_size`.

        None for any other frame, and until all of it is there.
        """
        data, start = self._data, self._position
        begin = start + SHORT_HEADER
        if len(data) < begin or self._left is not None or self._kind is not None:
            return None
        size = data[start + 1] ^ MASKED
        if size >= TWO_BYTES:
            if size > TWO_BYTES:  # or not masked
                return None
            size = data[start + 2] << 8 | data[start + 3]
            begin += 2
            if size < TWO_BYTES:
                return None
        first = data[start]
        limit = self._limits.text if first == _WHOLE_TEXT else self._limits.binary
        if begin + size > len(data) or size > limit or first not in _WHOLE:
            return None
        self._size = size
        return begin

    def take_control(self) -> ControlFrame | None:
        """Return what the last piece said as a control frame, once; None when it was none."""
        control, self._control_frame = self._control_frame, None
        return control

    def _next_of_any_frame(self) -> Piece | None:
        if self._left is not None and not self._inflating:
            return self._rest_of(self._left)
        while (header := self._left or self._read_header()) is not None:
            if header.first & CONTROL:
                return self._control(header)
            if self._left is None:
                self._begin(header)
            if not self._inflating:
                rest = self._rest_of(header)
                return (header.raw, False) if rest is None else (header.raw + rest[0], rest[1])
            piece = self._inflate_rest_of(header)
            if piece is not None or self._left is not None:
                return piece
        return None

    def _begin(self, header: FrameHeader) -> None:
        self._enter(header)
        self._left = header
        self._owed = header.length
        self._position += len(header.raw)

    def _read_header(self) -> FrameHeader | None:
        data, start = self._data, self._position
        available = len(data) - start
        if available < 2:
            return None
        check_first_bytes(data[start], data[start + 1], 0 if self._deflate is None else RSV1)
        if available < header_size(data[start + 1]):
            return None
        return read_header(data, start)

    def _control(self, header: FrameHeader) -> Piece | None:
        begin = self._position + SHORT_HEADER
        end = begin + header.length
        if len(self._data) < end:
            return None
        self._control_frame = _MEANING[header.opcode](self._mask(self._data[begin:end], header.key))
        frame = self._data[self._position : end]
        self._position = end
        return frame, True

    def _enter(self, header: FrameHeader) -> None:
        """Check a data frame's place in its message, and its size, before any of its payload."""
        if (header.opcode == CONTINUATION) == (self._kind is None):
            wrong = "a continuation of nothing" if self._kind is None else "a message in another"
            raise ProtocolError(f"{wrong} (RFC 6455 section 5.4)")
        if self._kind is None:
            self._kind, self._size = header.opcode, 0
            is_checked = self._checks_text or not header.first & FIN
            self._decoder = _Utf8Decoder() if header.opcode == TEXT and is_checked else None
            self._inflating = bool(header.first & RSV1)
        if self._inflating:
            self._begin_inflating(header)
            return
        limit = self._limits.left(self._kind == TEXT, self._size)
        if header.length > limit:
            raise too_big(header.length, limit)
        self._size += header.length

    def _begin_inflating(self, header: FrameHeader) -> None:
        if self._inflater is None:
            assert self._deflate is not None, "else RSV1 is a reserved bit"
            self._inflater = MessageInflater(self._limits, self._deflate)
        self._inflater.begin(header)

    def _inflate_rest_of(self, header: FrameHeader) -> Piece | None:
        part = self._take_part()
        if part is None:
            return None
        assert self._inflater is not None
        frame = self._inflater.feed(part, ends_frame=len(part) == self._owed)
        self._end_part(header, part)
        return None if frame is None else (frame, True)

    def _rest_of(self, header: FrameHeader) -> Piece | None:
        part = self._take_part()
        if part is None:
            return None
        if self._decoder is not None:
            self._check_text(self._decoder, header, part)
        self._end_part(header, part)
        return part, self._kind is None

    def _take_part(self) -> bytes | None:
        """Return what there is of a frame's payload; None if that is nothing yet."""
        begin = self._position
        self._position = min(begin + self._owed, len(self._data))
        part = self._data[begin : self._position]
        return None if self._owed and not part else part

    def _end_part(self, header: FrameHeader, part: bytes) -> None:
        self._owed -= len(part)
        if self._owed:
            return
        self._left = None
        if header.first & FIN:
            self._kind = self._decoder = None
            self._inflating = False

    def _check_text(self, decoder: IncrementalDecoder, header: FrameHeader, part: bytes) -> None:
        turn = (header.length - self._owed) & 3
        key = header.key[turn:] + header.key[:turn]
        is_last = len(part) == self._owed and bool(header.first & FIN)
        try:
            decoder.decode(self._mask(part, key), is_last)
        except UnicodeDecodeError:
            raise InvalidPayloadError(NOT_UTF8) from None
