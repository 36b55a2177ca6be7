"""Frames of RFC 6455 section 5.2: headers and close payloads, written and read.

A server writes unmasked frames and reads masked ones; nothing here serves a client.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from turnout.close import NO_STATUS_CODE, CloseStatus, is_sendable_code
from turnout.errors import InvalidPayloadError, ProtocolError

__all__ = [
    "FrameHeader",
    "check_first_bytes",
    "encode_close",
    "encode_frame",
    "parse_close",
    "read_header",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
RSV1: Final = 0x40
RSV2_AND_RSV3: Final = 0x30
OPCODE: Final = 0x0F
CONTROL: Final = 0x08
MASKED: Final = 0x80

TWO_BYTES: Final = 126
EIGHT_BYTES: Final = 127
MAX_CONTROL_PAYLOAD: Final = 125

_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


def _short_headers(opcode: int) -> tuple[bytes, ...]:
    return tuple(bytes((FIN | opcode, length)) for length in range(TWO_BYTES))


# Most messages are short: looking their header up takes a third of the time of making it.
SHORT_TEXT_HEADERS: Final = _short_headers(TEXT)
SHORT_BINARY_HEADERS: Final = _short_headers(BINARY)


class FrameHeader(NamedTuple):
    """The header of a masked frame: its first byte, payload length, masking key and own bytes."""

    first: int
    length: int
    key: bytes
    raw: bytes

    @property
    def opcode(self) -> int:
        """The opcode of the frame."""
        return self.first & OPCODE


def encode_frame(first: int, payload: bytes) -> bytes:
    """Return an unmasked frame; `first` holds FIN, the reserved bits and the opcode.

    One `bytes`: a second write costs more than copying a payload, unless that is very long.
    """
    return encode_header(first, len(payload)) + payload


def encode_header(first: int, length: int) -> bytes:
    """Return the header of an unmasked frame with a payload of that length."""
    if length < TWO_BYTES:
        return bytes((first, length))
    if length < 1 << 16:
        return bytes((first, TWO_BYTES, length >> 8, length & 0xFF))
    return bytes((first, EIGHT_BYTES)) + length.to_bytes(8, "big")


def encode_close(status: CloseStatus) -> bytes:
    """Return a close frame; 1005 stands for one without a code (RFC 6455 section 7.1.5).

    Raises `InvalidCloseError` for a code or reason that may not be sent.
    """
    if status.code == NO_STATUS_CODE.code and not status.reason:
        return encode_frame(FIN | CLOSE, b"")
    status.check_sendable()
    return encode_frame(FIN | CLOSE, status.code.to_bytes(2, "big") + status.reason.encode())


def parse_close(payload: bytes) -> CloseStatus:
    """Return what a close frame says; 1005 when it says nothing.

    Raises `ProtocolError` for a code that may not be sent (RFC 6455 section 7.4) and
    `InvalidPayloadError` for a reason that is not UTF-8.
    """
    if not payload:
        return NO_STATUS_CODE
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable_code(code):  # as no single byte is
        shown = f"code {code}" if len(payload) > 1 else "half a code"
        raise ProtocolError(f"a close frame with {shown} (RFC 6455 section 7.4)")
    try:
        return CloseStatus(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise InvalidPayloadError(
            "a close reason that is not UTF-8 (RFC 6455 section 5.5.1)"
        ) from None


def check_first_bytes(first: int, second: int, reserved: int) -> None:
    """Raise `ProtocolError` for what the first two bytes of a frame already show to be wrong.

    `reserved` holds the reserved bits that an extension lets a data frame set.
    """
    opcode = first & OPCODE
    if opcode not in _OPCODES:
        raise ProtocolError(f"reserved opcode {opcode:#x} (RFC 6455 section 5.2)")
    allowed = reserved if opcode in (TEXT, BINARY) else 0
    if first & (RSV1 | RSV2_AND_RSV3) & ~allowed:
        raise ProtocolError("a reserved bit is set (RFC 6455 section 5.2)")
    if not second & MASKED:
        raise ProtocolError("a client's frame is not masked (RFC 6455 section 5.1)")
    if opcode & CONTROL:
        if not first & FIN:
            raise ProtocolError("a fragmented control frame (RFC 6455 section 5.5)")
        if second & ~MASKED > MAX_CONTROL_PAYLOAD:
            raise ProtocolError("a control frame over 125 bytes (RFC 6455 section 5.5)")


def header_size(second: int) -> int:
    """Return how many bytes the header of a masked frame has, by its second byte."""
    return {TWO_BYTES: 8, EIGHT_BYTES: 14}.get(second & ~MASKED, 6)


def read_header(data: bytes, start: int) -> FrameHeader:
    """Read the whole header at `start`; raise `ProtocolError` for an illegal length."""
    size = header_size(data[start + 1])
    raw = data[start : start + size]
    if size == 6:
        return FrameHeader(raw[0], raw[1] & ~MASKED, raw[2:], raw)
    length = int.from_bytes(raw[2:-4], "big")
    if length >> 63:
        raise ProtocolError("a payload length with the top bit set (RFC 6455 section 5.2)")
    if length < (TWO_BYTES if size == 8 else 1 << 16):
        raise ProtocolError("a payload length in more bytes than needed (RFC 6455 section 5.2)")
    return FrameHeader(raw[0], length, raw[-4:], raw)
