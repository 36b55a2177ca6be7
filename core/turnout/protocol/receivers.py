"""What takes the payload of one frame, in as many parts as it arrives in, without wsproto."""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError
from turnout.messages import (
    BinaryMessage,
    DataMessage,
    PingMessage,
    PongMessage,
    whole_text,
)
from turnout.protocol.frames import CLOSE, PING, TEXT, FrameHeader, parse_close

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.protocol.masking import Mask

__all__ = ["CloseReceived", "ControlFrame", "FrameReceiver", "PlainFrame"]

_Utf8Decoder = getincrementaldecoder("utf-8")
NOT_UTF8: Final = "text that is not UTF-8 (RFC 6455 section 8.1)"


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer's close frame; nothing that follows it is read."""

    status: CloseStatus


FrameEvent: TypeAlias = "Message | CloseReceived"


class FrameReceiver(Protocol):
    """Takes the masked payload of one frame."""

    def feed(self, part: bytes, is_last: bool) -> FrameEvent | None:
        """Take a part of the payload; return what it completes. Raises `ProtocolError`."""


class PlainFrame:
    """A whole, uncompressed message in one frame.

    What is there is kept once, unmasked, and text is checked as it comes: a bad byte is found
    when it arrives, not at the end of a message that may never end.
    """

    __slots__ = ("_decoder", "_header", "_mask", "_payload")

    def __init__(self, header: FrameHeader, mask: Mask) -> None:
        self._header = header
        self._mask = mask
        self._payload: bytearray | None = None
        self._decoder = _Utf8Decoder() if header.opcode == TEXT else None

    def feed(self, part: bytes, is_last: bool) -> DataMessage | None:
        """Take a part of the payload; return the message at its end."""
        if self._payload is None:
            if is_last:
                return self._message(self._mask(part, self._header.key))
            self._payload = bytearray()
        turn = len(self._payload) & 3
        key = self._header.key
        part = self._mask(part, key[turn:] + key[:turn])
        self._payload += part
        if self._decoder is not None:
            _check(self._decoder, part)
        return self._message(self._payload) if is_last else None

    def _message(self, payload: bytes | bytearray) -> DataMessage:
        if self._decoder is None:
            return BinaryMessage(payload)
        try:
            return whole_text(payload.decode())
        except UnicodeDecodeError:
            raise InvalidPayloadError(NOT_UTF8) from None


def _check(decoder: IncrementalDecoder, part: bytes) -> None:
    try:
        decoder.decode(part)
    except UnicodeDecodeError:
        raise InvalidPayloadError(NOT_UTF8) from None


class ControlFrame:
    """A ping, a pong or a close: at most 125 bytes, possibly between the pieces of a message."""

    __slots__ = ("_header", "_mask", "_masked")

    def __init__(self, header: FrameHeader, mask: Mask) -> None:
        self._header = header
        self._mask = mask
        self._masked = b""

    def feed(self, part: bytes, is_last: bool) -> FrameEvent | None:
        """Take a part of the payload; return the event at its end."""
        self._masked += part
        if not is_last:
            return None
        payload = self._mask(self._masked, self._header.key)
        if self._header.opcode == CLOSE:
            return CloseReceived(parse_close(payload))
        return PingMessage(payload) if self._header.opcode == PING else PongMessage(payload)
