"""permessage-deflate (RFC 7692): what inflates received frames and deflates sent ones.

Receiving is an extension of wsproto, because wsproto 1.3.2's own cannot be used: it has no bound
(200 KB inflate to 200 MiB in one call), a ping between two compressed fragments or a block with
BFINAL breaks the message, and a small window is not enforced.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

from turnout.errors import InvalidPayloadError, MessageTooBigError, ProtocolError

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

    from turnout.protocol.extensions import DeflateParameters

__all__ = ["Deflater", "Inflater", "largest_deflated"]

# What a sender strips from the end of a message and a receiver puts back (section 7.2.1).
TAIL: Final = b"\x00\x00\xff\xff"
# An ended stream costs a new zlib object and a copy of what follows it, for two bytes of input.
MAX_STREAMS_IN_A_MESSAGE: Final = 64
_ONLY_RSV1 = RsvBits(True, False, False)
_NO_BITS = RsvBits(False, False, False)


def largest_deflated(size: int) -> int:
    """Return how many bytes `size` bytes may have once deflated.

    Stored and fixed blocks, however short, stay well below a quarter more.
    """
    return size + (size >> 2) + 64


class Inflater(Extension):
    """Inflates compressed messages within `budget`, the bytes that the next frame may become."""

    name = "permessage-deflate"

    def __init__(self, parameters: DeflateParameters) -> None:
        # zlib has no raw window of 8 bits; a larger one than the peer's reads everything.
        self._window_bits = max(9, parameters.client_max_window_bits)
        self._keeps_context = not parameters.client_no_context_takeover
        self._stream: zlib._Decompress | None = None
        self._streams = 0
        self._fed = False
        self._compressed = False
        self._in_control_frame = False
        self.budget: int = 0
        self.error: ProtocolError | None = None

    def enabled(self) -> bool:
        """Tell wsproto to use it: the handshake has agreed."""
        return True

    def offer(self) -> bool:
        """Offer nothing: clients do."""
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> CloseReason | RsvBits:
        """Note whether a message is compressed: its first frame says so (section 6.1)."""
        self._in_control_frame = opcode.iscontrol()
        if opcode not in (Opcode.TEXT, Opcode.BINARY):
            return _NO_BITS
        self._compressed = rsv.rsv1
        self._streams = 0
        self._fed = False
        return _ONLY_RSV1

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Inflate a part of a payload."""
        if not self._compressed or self._in_control_frame:
            return data
        return self._attempt(data, ends_message=False)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """Finish a message at the end of its last frame."""
        if not fin or not self._compressed or self._in_control_frame:
            return None
        return self._attempt(TAIL, ends_message=True)

    def _attempt(self, data: bytes, *, ends_message: bool) -> bytes | CloseReason:
        try:
            return self._finish() if ends_message else self._inflate(data)
        except zlib.error as error:
            self.error = InvalidPayloadError(f"data that does not inflate: {error}")
        except ProtocolError as error:
            self.error = error
        return CloseReason(self.error.code)

    def _inflate(self, data: bytes) -> bytes:
        parts = []
        while data:
            self._fed = True
            stream = self._stream or self._begin_stream()
            # One byte more than the budget shows that there is more; it is never kept.
            part = stream.decompress(data, self.budget + 1)
            self.budget -= len(part)
            if self.budget < 0:
                raise MessageTooBigError("a message that inflates to more than its limit")
            parts.append(part)
            data = stream.unused_data
            if stream.eof:  # a block with BFINAL: what follows is a stream of its own
                self._stream = None
        return b"".join(parts)

    def _begin_stream(self) -> zlib._Decompress:
        self._streams += 1
        if self._streams > MAX_STREAMS_IN_A_MESSAGE:
            raise InvalidPayloadError("a message of too many deflate streams")
        self._stream = zlib.decompressobj(-self._window_bits)
        return self._stream

    def _finish(self) -> bytes:
        # After a final block, or after nothing at all, no block is open that the tail could end.
        # Else it is the end of an empty block: if it inflates, the message was cut short.
        if self._stream is not None and self._fed and self._stream.decompress(TAIL, 1):
            raise InvalidPayloadError("a compressed message that ends within a block")
        if not self._keeps_context:
            self._stream = None
        return b""


class Deflater:
    """Deflates what is sent, with the window and memory that were agreed."""

    __slots__ = ("_stream", "parameters")

    def __init__(self, parameters: DeflateParameters) -> None:
        self.parameters: DeflateParameters = parameters
        self._stream: zlib._Compress | None = None

    def deflate(self, payload: bytes, *, is_last: bool = True) -> bytes:
        """Return the payload of a frame; every fragment can be inflated as soon as it is there."""
        stream = self._stream or self._begin_stream()
        deflated = stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        if not is_last:
            return deflated
        if self.parameters.server_no_context_takeover:
            self._stream = None
        return deflated[: -len(TAIL)]

    def forget(self) -> None:
        """Refer to nothing sent so far.

        Called when the peer gets a message that this object has not seen: the peer's window then
        holds other bytes than ours. A fresh stream refers only to what it has itself sent, which
        any window can follow.
        """
        self._stream = None

    def _begin_stream(self) -> zlib._Compress:
        parameters = self.parameters
        self._stream = zlib.compressobj(
            zlib.Z_DEFAULT_COMPRESSION,
            zlib.DEFLATED,
            -parameters.server_max_window_bits,
            parameters.memory_level,
        )
        return self._stream
