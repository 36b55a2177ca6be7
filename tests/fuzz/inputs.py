"""What a target makes of the fuzzer's bytes: choices first, then the material that they act on.

Plain Python, so that every input can be replayed without atheris.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

from turnout.testing.frames import encode_frame

__all__ = ["Input"]

T = TypeVar("T")
KEYS = (b"\0\0\0\0", b"\x11\xa5\x00\xff")
CONTROL = 0x08


class Input:
    """Bytes that are taken from the front; past their end every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def byte(self) -> int:
        """Return a number from 0 to 255."""
        taken = self.take(1)
        return taken[0] if taken else 0

    def number(self) -> int:
        """Return a number from 0 to 65535."""
        return self.byte() << 8 | self.byte()

    def flag(self) -> bool:
        """Return true or false."""
        return bool(self.byte() & 1)

    def choice(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.byte() % len(options)]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        begin = self._position
        self._position = min(begin + size, len(self._data))
        return self._data[begin : self._position]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data))

    def text(self, size: int) -> str:
        """Return text of at most `size` bytes; any code point may come, surrogates too."""
        return self.take(size).decode("utf-8", "surrogateescape")

    def cuts(self) -> list[int]:
        """Return the places to cut a stream at, in order: at most seven."""
        places, place = [], 0
        for _ in range(self.byte() & 7):
            place += self.byte()
            places.append(place)
        return places

    def stream(self) -> bytes:
        """Return what a client sends: frames built from choices, or the bytes as they are."""
        if self.flag():
            return self.rest()
        data = b""
        while self:
            data += self._frame()
        return data

    def _frame(self) -> bytes:
        first, style = self.byte(), self.byte()
        payload = self._payload(style, bool(first & CONTROL))
        return encode_frame(
            first & 0x0F,
            payload,
            fin=bool(first & 0x80),
            rsv=first >> 4 & 7,
            masked=style & 7 != 7,
            key=KEYS[style >> 3 & 1],
            declared_length=int.from_bytes(self.take(8)) if style & 7 == 6 else None,
        )

    def _payload(self, style: int, is_control: bool) -> bytes:
        size = self.byte() & 0x7F
        payload = self.take(size)
        if style & 0x10 and not is_control:
            payload *= 1 + self.byte()
        if style & 7 in (4, 5):
            return deflated(payload, ends_stream=style & 7 == 5)
        return payload


def deflated(payload: bytes, *, ends_stream: bool) -> bytes:
    """Return a payload as a client compresses it: a sync flush, or a final block."""
    compressor = zlib.compressobj(wbits=-12)
    data = compressor.compress(payload)
    if ends_stream:
        return data + compressor.flush()
    return (data + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
