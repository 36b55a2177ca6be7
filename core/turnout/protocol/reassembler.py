"""Fragmented and compressed messages: wsproto, held within our limits.

wsproto unmasks, keeps the order of fragments, inflates through `Inflater` and checks UTF-8 as it
comes. It sees one frame at a time, and only frames that the driver has let pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto import events
from wsproto.connection import Connection, ConnectionType

from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import BinaryMessage, DataMessage, PingMessage, PongMessage, TextMessage
from turnout.protocol.deflate import Inflater, largest_deflated
from turnout.protocol.frames import CONTINUATION, CONTROL, FIN, RSV1, TEXT, FrameHeader
from turnout.protocol.limits import SizeLimits, too_big
from turnout.protocol.receivers import NOT_UTF8

if TYPE_CHECKING:
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.receivers import FrameEvent

__all__ = ["Reassembler"]


class Reassembler:
    """Feeds frames to wsproto and joins its events to messages, or to pieces with `partial`."""

    __slots__ = (
        "_budget",
        "_connection",
        "_first",
        "_inflater",
        "_is_compressed",
        "_is_first",
        "_is_text",
        "_length",
        "_limits",
        "_partial",
        "_pieces",
        "_size",
        "_unfed",
        "in_message",
    )

    def __init__(
        self, limits: SizeLimits, deflate: DeflateParameters | None, partial: bool
    ) -> None:
        self._inflater = None if deflate is None else Inflater(deflate)
        extensions = [] if self._inflater is None else [self._inflater]
        self._connection = Connection(ConnectionType.SERVER, list(extensions))
        self._limits = limits
        self._partial = partial
        self._pieces: bytearray | None = None
        self._is_text = False
        self._is_compressed = False
        self._is_first = True
        self._size = 0
        self._budget = 0
        self._first = 0
        self._length = 0
        self._unfed = b""
        self.in_message: bool = False

    def begin(self, header: FrameHeader) -> None:
        """Take the header of a frame; raise `ProtocolError` when such a frame may not come."""
        self._first = header.first
        self._length = header.length
        self._unfed = header.raw
        if not header.first & CONTROL:
            self._check_order(header)
            self._check_size(header)

    def feed(self, part: bytes, is_last: bool) -> FrameEvent | None:
        """Take a part of the payload; return the message, the piece, the ping or the pong."""
        self._connection.receive_data(self._unfed + part)
        self._unfed = b""
        event = None
        for received in self._connection.events():
            event = self._take(received)
        if is_last and not self._first & CONTROL:
            self._end_frame()
        return event

    def _check_order(self, header: FrameHeader) -> None:
        if header.opcode == CONTINUATION:
            if not self.in_message:
                raise ProtocolError("a fragment of no message (RFC 6455 section 5.4)")
        elif self.in_message:
            raise ProtocolError("a message within a fragmented one (RFC 6455 section 5.4)")
        else:
            self.in_message = True
            self._is_first = True
            self._is_text = header.opcode == TEXT
            self._is_compressed = bool(header.first & RSV1)
            self._size = 0

    def _check_size(self, header: FrameHeader) -> None:
        self._budget = self._limits.left(self._is_text, self._size)
        allowed = largest_deflated(self._budget) if self._is_compressed else self._budget
        if header.length > allowed:
            raise too_big(header.length, self._budget)
        if self._is_compressed:
            assert self._inflater is not None  # else RSV1 is a reserved bit
            self._inflater.budget = self._budget

    def _end_frame(self) -> None:
        self.in_message = not self._first & FIN
        if self._is_compressed:
            assert self._inflater is not None
            self._size += self._budget - self._inflater.budget
        else:
            self._size += self._length

    def _take(self, event: events.Event) -> FrameEvent | None:
        if isinstance(event, (events.TextMessage, events.BytesMessage)):
            return self._take_data(event)
        if isinstance(event, events.Ping):
            return PingMessage(event.payload)
        if isinstance(event, events.Pong):
            return PongMessage(event.payload)
        raise self._error(event)

    def _error(self, event: events.Event) -> ProtocolError:
        # Close frames never come here: a close event is how wsproto reports a violation.
        if self._inflater is not None and self._inflater.error is not None:
            return self._inflater.error
        if isinstance(event, events.CloseConnection) and event.code == InvalidPayloadError.code:
            return InvalidPayloadError(NOT_UTF8)
        return ProtocolError(f"a frame that wsproto refuses: {event}")

    def _take_data(self, event: events.TextMessage | events.BytesMessage) -> DataMessage | None:
        is_last = event.message_finished
        if not is_last and not (self._partial and event.frame_finished):
            self._keep(event.data)
            return None
        is_first, self._is_first = self._is_first, False
        payload = self._joined(event.data)
        if not payload and not is_first and not is_last:
            return None  # a flood of empty fragments becomes no flood of pieces
        if isinstance(payload, str):
            return TextMessage(payload, is_first=is_first, is_last=is_last)
        return BinaryMessage(payload, is_first=is_first, is_last=is_last)

    def _keep(self, payload: str | bytes | bytearray) -> None:
        # Not a list of the parts: of one byte each, they would take fifty times the memory.
        if self._pieces is None:
            self._pieces = bytearray()
        self._pieces += payload.encode() if isinstance(payload, str) else payload

    def _joined(self, last: str | bytes | bytearray) -> str | bytes | bytearray:
        if self._pieces is None:
            return last
        self._keep(last)
        pieces, self._pieces = self._pieces, None
        return pieces.decode() if self._is_text else pieces
