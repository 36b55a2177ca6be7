"""The outbound half of the standard driver: messages in, frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.close import CloseStatus
from turnout.errors import UsageError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol import frames
from turnout.protocol.frames import SHORT_BINARY_HEADERS, SHORT_TEXT_HEADERS, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.protocol.deflate import Deflater
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.prepared import PreparedMessage

__all__ = ["FrameEncoder"]

_TEXT: Final = frames.FIN | frames.TEXT
_BINARY: Final = frames.FIN | frames.BINARY

PART_SIZE: Final = 256 * 1024


class FrameEncoder:
    """Encodes what is sent; remembers only an unfinished message and the deflate stream."""

    __slots__ = ("_deflater", "_deflating", "_sending")

    def __init__(self, deflate: DeflateParameters | None) -> None:
        self._deflater = None if deflate is None else _deflater(deflate)
        self._deflating = False
        self._sending: type[Message] | None = None

    def encode(self, message: Message) -> bytes:
        """Return the frame of a message, a fragment, a ping or a pong.

        Raises `UsageError` for a message in the middle of a fragmented one, or for a fragment of
        none, and `UnicodeEncodeError` for text with a lone surrogate; then nothing has changed.
        """
        # The short cut for what is sent: a whole message without compression.
        if self._sending is None and self._deflater is None:
            if type(message) is TextMessage and message.is_first and message.is_last:
                payload = message.payload.encode()
                if len(payload) < frames.TWO_BYTES:
                    return SHORT_TEXT_HEADERS[len(payload)] + payload
                return encode_frame(_TEXT, payload)
            if type(message) is BinaryMessage and message.is_first and message.is_last:
                payload = message.payload
                if len(payload) < frames.TWO_BYTES:
                    return SHORT_BINARY_HEADERS[len(payload)] + payload
                return encode_frame(_BINARY, payload)
        return self._encode_any(message)

    def encode_long(self, message: Message) -> Iterator[bytes | memoryview]:
        """Return what `encode` does in parts, of which no more than one need be there at a time.

        Raises what `encode` raises, and at the same time, before there is any part.
        """
        payload = message.payload
        is_plain = self._sending is None and self._deflater is None and message.is_whole
        if not is_plain or type(message) not in {TextMessage, BinaryMessage}:
            return iter((self.encode(message),))
        if isinstance(payload, str) and not payload.isascii():
            payload = payload.encode()
        return _frame_in_parts(_TEXT if type(message) is TextMessage else _BINARY, payload)

    def encode_close(self, status: CloseStatus) -> bytes:
        """Return a close frame; 1005 stands for one without a code.

        Raises `InvalidCloseError` for a code or reason that may not be sent.
        """
        return frames.encode_close(status)

    def encode_prepared(self, prepared: PreparedMessage) -> bytes:
        """Return the frame of a message that many connections get, encoded only once for all.

        Raises `UsageError` in the middle of a fragmented message.
        """
        self._check_order(prepared.message)
        deflater = self._deflater
        if deflater is None or prepared.size < deflater.parameters.threshold:
            return prepared.frame(None)
        deflater.forget()
        return prepared.frame(deflater.parameters)

    def _encode_any(self, message: Message) -> bytes:
        if isinstance(message, PingMessage):
            return encode_frame(frames.FIN | frames.PING, message.payload)
        if isinstance(message, PongMessage):
            return encode_frame(frames.FIN | frames.PONG, message.payload)
        self._check_order(message)
        opcode, payload = opcode_and_payload(message)
        first = opcode if message.is_first else frames.CONTINUATION
        if message.is_last:
            first |= frames.FIN
        if self._deflater is not None:
            first, payload = self._deflate(self._deflater, message, first, payload)
        self._sending = None if message.is_last else type(message)
        return encode_frame(first, payload)

    def _check_order(self, message: Message) -> None:
        if message.is_first and self._sending is not None:
            raise UsageError("a message begins before the last piece of the one before was sent")
        if not message.is_first and self._sending is not type(message):
            raise UsageError(f"a {message.kind} piece continues no {message.kind} message")

    def _deflate(
        self, deflater: Deflater, message: Message, first: int, payload: bytes
    ) -> tuple[int, bytes]:
        if message.is_first:
            # How long a message in pieces will be is not known: it is always compressed.
            whole = message.is_last
            self._deflating = not whole or len(payload) >= deflater.parameters.threshold
            if self._deflating:
                first |= frames.RSV1
        if not self._deflating:
            return first, payload
        return first, deflater.deflate(payload, is_last=message.is_last)


def _frame_in_parts(first: int, payload: str | bytes) -> Iterator[bytes | memoryview]:
    yield frames.encode_header(first, len(payload))
    if isinstance(payload, str):
        for begin in range(0, len(payload), PART_SIZE):
            yield payload[begin : begin + PART_SIZE].encode("ascii")
    else:
        view = memoryview(payload)
        for begin in range(0, len(payload), PART_SIZE):
            yield view[begin : begin + PART_SIZE]


def opcode_and_payload(message: Message) -> tuple[int, bytes]:
    """Return the opcode and the bytes of a data message; raise `TypeError` for another one."""
    if isinstance(message, TextMessage):
        return frames.TEXT, message.payload.encode()
    if isinstance(message, BinaryMessage):
        return frames.BINARY, message.payload
    raise TypeError(f"cannot send {type(message).__name__}: not a text or binary message")


def _deflater(deflate: DeflateParameters) -> Deflater:
    from turnout.protocol.deflate import Deflater  # not at import: it brings wsproto and h11

    return Deflater(deflate)
