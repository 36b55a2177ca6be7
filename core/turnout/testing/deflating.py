"""Compressed messages (RFC 7692), as a client writes and reads them."""

from __future__ import annotations

import zlib
from typing import Final

__all__ = ["OFFER", "RSV1", "TAIL", "deflate", "inflate"]

OFFER: Final = "permessage-deflate; client_max_window_bits"
RSV1: Final = 4
"""The reserved bit of a compressed message, for `send_frame` and `encode_frame`."""
TAIL: Final = b"\x00\x00\xff\xff"
"""What ends a compressed message and is not sent (section 7.2.1)."""


def deflate(data: bytes, window_bits: int = 12) -> bytes:
    """Return the payload of one compressed message that refers to none before it."""
    compressor = zlib.compressobj(wbits=-window_bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(payload: str | bytes) -> bytes:
    """Return what the payload of a compressed message says that refers to none before it."""
    assert isinstance(payload, bytes), "the message was not compressed"
    return zlib.decompressobj(wbits=-15).decompress(payload + TAIL)
