"""WebSocket frames as bytes (RFC 6455 section 5.2), legal or not: nothing here checks a rule."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from turnout.testing.expectations import quote

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "CloseFrame",
    "Frame",
    "close_payload",
    "describe_frames",
    "encode_frame",
    "mask",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NAMES = {0x0: "continuation", 0x1: "text", 0x2: "binary", 0x8: "close", 0x9: "ping", 0xA: "pong"}


class CloseFrame(NamedTuple):
    """The code and the reason of a close frame; the code of an empty one is None."""

    code: int | None
    reason: str

    def __str__(self) -> str:
        if self.code is None:
            return "a close frame without a code"
        reason = f"the reason {quote(self.reason)}" if self.reason else "no reason"
        return f"a close frame with {self.code} and {reason}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was read from the wire, its payload unmasked."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False
    masked: bool = False

    @property
    def name(self) -> str:
        """What kind of frame it is, as in "a text frame"."""
        if self.opcode not in NAMES:
            return f"a frame with the reserved opcode {self.opcode:#x}"
        return f"a {NAMES[self.opcode]} frame"

    def __str__(self) -> str:
        if self.opcode == CLOSE and self.fin and len(self.payload) != 1:
            code = int.from_bytes(self.payload[:2], "big") if self.payload else None
            return str(CloseFrame(code, self.payload[2:].decode(errors="backslashreplace")))
        size = f"{len(self.payload)} byte{'' if len(self.payload) == 1 else 's'}"
        payload = f": {quote(self.payload)}" if self.payload else ""
        return f"{self.name} of {size}{self._bits()}{payload}"

    def _bits(self) -> str:
        bits = [name for name in ("rsv1", "rsv2", "rsv3") if getattr(self, name)]
        notes = [] if self.fin else ["more to follow"]
        notes += [f"{', '.join(bits).upper()} set"] if bits else []
        return f" ({'; '.join(notes)})" if notes else ""


def mask(payload: bytes, key: bytes) -> bytes:
    """Apply a four-byte masking key (RFC 6455 section 5.3); applied twice, it undoes itself."""
    keys = (key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return mixed.to_bytes(len(payload), "big")


def close_payload(code: int | None, reason: str | bytes = b"") -> bytes:
    """Return the payload of a close frame; None stands for an empty one."""
    if code is None:
        return b""
    return struct.pack("!H", code) + (reason.encode() if isinstance(reason, str) else reason)


def encode_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    key: bytes | None = None,
    declared_length: int | None = None,
) -> bytes:
    """Return one frame; `rsv` holds the three reserved bits (4 is RSV1).

    `declared_length` puts another length in the header than the payload has.
    """
    length = len(payload) if declared_length is None else declared_length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    header = bytes([first]) + _encode_length(length, 0x80 if masked else 0)
    if not masked:
        return header + payload
    key = os.urandom(4) if key is None else key
    return header + key + mask(payload, key)


def _encode_length(length: int, mask_bit: int) -> bytes:
    if length < 126:
        return bytes([mask_bit | length])
    if length < 1 << 16:
        return struct.pack("!BH", mask_bit | 126, length)
    return struct.pack("!BQ", mask_bit | 127, length)


def describe_frames(data: bytes, *, from_client: bool) -> Iterator[str]:
    """Yield in words the frames that begin in `data`, the last of which may be incomplete."""
    while len(data) >= 2:
        size, length = _read_length(data)
        if size > len(data):
            break
        masked = bool(data[1] & 0x80)
        end = size + (4 if masked else 0)
        payload, rest = data[end : end + length], data[end + length :]
        frame = _frame(data[0], mask(payload, data[size:end]) if masked else payload)
        short = f" (its header declares {length})" if length > len(payload) else ""
        odd = "" if masked == from_client else ", masked" if masked else ", not masked"
        yield f"{frame}{short}{odd}"
        data = rest
    if data:
        yield f"the beginning of a frame: {data.hex(' ')}"


def _frame(first: int, payload: bytes) -> Frame:
    bits = {name: bool(first & bit) for name, bit in (("rsv1", 64), ("rsv2", 32), ("rsv3", 16))}
    return Frame(first & 0xF, payload, fin=bool(first & 0x80), **bits)


def _read_length(data: bytes) -> tuple[int, int]:
    """Return how long the header is, without the masking key, and the length that it declares."""
    length = data[1] & 0x7F
    if length < 126:
        return 2, length
    size = 4 if length == 126 else 10
    return size, int.from_bytes(data[2:size], "big")
