"""A message for many connections, encoded once for each compression setting among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from turnout.errors import UsageError
from turnout.messages import DataMessage
from turnout.protocol import frames
from turnout.protocol.encoder import opcode_and_payload

if TYPE_CHECKING:
    from turnout.protocol.extensions import DeflateParameters

__all__ = ["PreparedMessage"]

_Setting: TypeAlias = "tuple[int, int] | None"


class PreparedMessage:
    """A whole message, and its frames as far as some connection has asked for them.

    A compressed frame comes from a stream of its own, so it refers to nothing sent before and any
    peer can inflate it, with or without context takeover. But it enters the window of that peer:
    so the connection that sends it makes its own stream forget what came before.
    """

    __slots__ = ("_frames", "_opcode", "_payload", "message")

    def __init__(self, message: DataMessage) -> None:
        if not message.is_whole:
            raise UsageError("only whole messages can be sent to many connections")
        self.message: DataMessage = message
        self._opcode, self._payload = opcode_and_payload(message)
        self._frames: dict[_Setting, bytes] = {}

    @property
    def size(self) -> int:
        """The length of the payload in bytes, before compression."""
        return len(self._payload)

    def frame(self, deflate: DeflateParameters | None) -> bytes:
        """Return the frame, compressed as `deflate` says; the threshold is the caller's matter."""
        setting: _Setting = None
        if deflate is not None:
            setting = (deflate.server_max_window_bits, deflate.memory_level)
        frame = self._frames.get(setting)
        if frame is None:
            frame = self._frames[setting] = self._encode(deflate)
        return frame

    def _encode(self, deflate: DeflateParameters | None) -> bytes:
        if deflate is None:
            return frames.encode_frame(frames.FIN | self._opcode, self._payload)
        from turnout.protocol.deflate import Deflater  # not at import: it brings wsproto and h11

        deflated = Deflater(deflate).deflate(self._payload)
        return frames.encode_frame(frames.FIN | frames.RSV1 | self._opcode, deflated)
