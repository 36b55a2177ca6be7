"""Compressed messages made plain, for engines that are to know nothing of permessage-deflate.

The compression of most engines knows no bound. So the handshake agrees on turnout's, the engine
reads frames as if nobody had compressed them, and what is sent is framed by turnout's encoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.messages import DataMessage
from turnout.protocol.encoder import opcode_and_payload
from turnout.protocol.frames import FIN, MASKED, encode_frame
from turnout.protocol.reassembler import Reassembler

if TYPE_CHECKING:
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.limits import SizeLimits

__all__ = ["MessageInflater"]

KEY: Final = bytes(4)
"""A masking key that changes nothing."""


class MessageInflater:
    """Inflates the messages of one connection within its limits, one frame after the other."""

    __slots__ = ("_reassembler", "begin")

    def __init__(self, limits: SizeLimits, deflate: DeflateParameters) -> None:
        self._reassembler = Reassembler(limits, deflate, partial=False)
        self.begin = self._reassembler.begin
        """Take a frame's header; raise `MessageTooBigError` if it brings too much."""

    def feed(self, part: bytes, *, ends_frame: bool) -> bytes | None:
        """Take a part of a frame's payload; return the whole message, plain, at its end.

        Raises `ProtocolError` for what does not inflate, is no UTF-8 or too big.
        """
        message = self._reassembler.feed(part, ends_frame)
        if message is None:
            return None
        assert isinstance(message, DataMessage), "control frames do not come here"
        return plain_frame(message)


def plain_frame(message: DataMessage) -> bytes:
    """Return a message as the one frame in which a client would send it."""
    opcode, payload = opcode_and_payload(message)
    frame = encode_frame(FIN | opcode, payload)
    length = frame[2 : len(frame) - len(payload)]
    return b"".join((bytes((frame[0], frame[1] | MASKED)), length, KEY, payload))
