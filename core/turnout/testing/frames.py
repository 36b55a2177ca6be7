"""WebSocket frames as bytes (RFC 6455 section 5.2), legal or not: nothing here checks a rule."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "close_payload",
    "encode_frame",
    "mask",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


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
