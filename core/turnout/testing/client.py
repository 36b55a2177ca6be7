"""A WebSocket client that can say any bytes, to see what a server answers to them.

It checks nothing of what it sends and hides nothing of what it reads; it blocks, and every call
has a deadline. It is for tests, not for talking to servers that one does not test.
"""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

from turnout.http import Address
from turnout.testing.deadlines import DEADLINE
from turnout.testing.expectations import Silence, Unexpected, Unmet, quote
from turnout.testing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    CloseFrame,
    Frame,
    close_payload,
    describe_frames,
    encode_frame,
    mask,
)
from turnout.testing.http import (
    HandshakeRequest,
    HttpResponse,
    describe_status,
    read_response,
)
from turnout.testing.stream import ByteStream

__all__ = ["Connect", "RawClient", "RawMessage"]


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One data message, put together from its frames."""

    payload: str | bytes
    frames: int
    rsv1: bool


class RawClient:
    """One connection to a server, from the first byte of the request to the last one read.

    `timeout` is in seconds and holds for each call; `receive_buffer` sets SO_RCVBUF, so that a
    client that does not read holds a server back after few bytes.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float = DEADLINE,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.address = address
        self.stream: ByteStream = ByteStream(
            address, timeout=timeout, tls=tls, receive_buffer=receive_buffer
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stream.close()

    # HTTP

    @property
    def host(self) -> str:
        """What the `Host` header says unless a request sets another."""
        if isinstance(self.address, str):
            return "localhost"
        return f"{self.address[0]}:{self.address[1]}"

    def request(self, data: bytes) -> HttpResponse:
        """Send any bytes and read one HTTP response."""
        self.stream.write(data)
        return read_response(self.stream)

    def fetch(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpResponse:
        """Send a plain HTTP request and read the response."""
        fields = {"Host": self.host, **(headers or {})}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
        return self.request("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    def handshake(self, target: str, **fields: Any) -> HttpResponse:
        """Send an opening handshake and read the answer; `fields` are `HandshakeRequest`'s."""
        return self.request(self.handshake_request(target, **fields).encode())

    def handshake_request(self, target: str, **fields: Any) -> HandshakeRequest:
        """Return the opening handshake that `handshake` would send."""
        return HandshakeRequest(target=target, **{"host": self.host, **fields})

    def open(self, target: str, **fields: Any) -> HttpResponse:
        """Shake hands and raise `ConnectionRefusedError` unless the answer is 101."""
        response = self.handshake(target, **fields)
        if response.status != 101:
            raise HandshakeFailed(target, response)
        return response

    # Frames out

    def send_frame(self, opcode: int, payload: bytes = b"", **options: Any) -> None:
        """Send one frame, legal or not; `options` are those of `encode_frame`."""
        self.stream.write(encode_frame(opcode, payload, **options))

    def send_text(self, text: str | bytes) -> None:
        """Send a whole text message; bytes may be any."""
        self.send_frame(TEXT, text.encode() if isinstance(text, str) else text)

    def send_binary(self, data: bytes) -> None:
        """Send a whole binary message."""
        self.send_frame(BINARY, data)

    def send_ping(self, payload: bytes = b"") -> None:
        """Send a ping."""
        self.send_frame(PING, payload)

    def send_pong(self, payload: bytes = b"") -> None:
        """Send a pong, asked for or not."""
        self.send_frame(PONG, payload)

    def send_close(self, code: int | None = 1000, reason: str | bytes = b"") -> None:
        """Send a close frame; None sends one without a code."""
        self.send_frame(CLOSE, close_payload(code, reason))

    # Frames in

    def read_frame(self, wanted: str = "a frame") -> Frame:
        """Read the next frame, whatever it is; `wanted` says in errors what was expected."""
        self.stream.wanted = wanted
        first, second = self.stream.read_exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.stream.read_exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.stream.read_exactly(8))
        masked = bool(second & 0x80)
        key = self.stream.read_exactly(4) if masked else b""
        payload = self.stream.read_exactly(length)
        frame = Frame(
            opcode=first & 0xF,
            payload=mask(payload, key) if masked else payload,
            fin=bool(first & 0x80),
            rsv1=bool(first & 0x40),
            rsv2=bool(first & 0x20),
            rsv3=bool(first & 0x10),
            masked=masked,
        )
        self.stream.note(frame)
        return frame

    def read_data_frame(self, wanted: str = "a frame other than ping and pong") -> Frame:
        """Read on to the next frame that is no ping or pong; pings are not answered."""
        deadline = time.monotonic() + self.stream.timeout
        while (frame := self.read_frame(wanted)).opcode in (PING, PONG):
            if time.monotonic() > deadline:
                raise Silence(f"{wanted} (only pings and pongs came)", self.stream.timeout)
        return frame

    def read_message(self, wanted: str = "a message") -> RawMessage:
        """Read a data message; raise `AssertionError` when something else comes instead."""
        first = self.read_data_frame(wanted)
        if first.opcode not in (TEXT, BINARY):
            raise Unexpected(wanted, str(first))
        frames = [first]
        while not frames[-1].fin:
            frames.append(frame := self.read_data_frame(more := "the next piece of the message"))
            if frame.opcode != CONTINUATION:
                raise Unexpected(more, str(frame))
        payload = b"".join(frame.payload for frame in frames)
        return RawMessage(
            _decode(payload) if first.opcode == TEXT and not first.rsv1 else payload,
            len(frames),
            first.rsv1,
        )

    def read_text(self) -> str:
        """Read a text message and return its payload."""
        payload = self.read_message("a text message").payload
        if not isinstance(payload, str):
            raise Unexpected("a text message", f"a binary one: {quote(payload)}")
        return payload

    def read_binary(self) -> bytes:
        """Read a binary message and return its payload."""
        payload = self.read_message("a binary message").payload
        if not isinstance(payload, bytes):
            raise Unexpected("a binary message", f"a text one: {quote(payload)}")
        return payload

    def read_close(self, wanted: str = "a close frame") -> CloseFrame:
        """Read a close frame and return its code and reason; the code of an empty one is None."""
        frame = self.read_data_frame(wanted)
        if frame.opcode != CLOSE:
            raise Unexpected(wanted, str(frame))
        if not frame.payload:
            return CloseFrame(None, "")
        if len(frame.payload) == 1:
            raise Unexpected(wanted, f"one of a single byte: {quote(frame.payload)}")
        code = int.from_bytes(frame.payload[:2], "big")
        return CloseFrame(code, _decode(frame.payload[2:]))

    def expect_end(self) -> None:
        """Read the end of the connection and close this side of it too.

        Raises `AssertionError` when bytes come before the end.
        """
        self.stream.wanted = "the end of the connection"
        rest = self.stream.read_to_end()
        self.stream.close()
        if rest:
            frames = "; ".join(describe_frames(rest, from_client=False))
            raise Unexpected(self.stream.wanted, f"{len(rest)} more bytes: {frames}")

    def expect_failure(self, code: int) -> None:
        """Read a close frame with `code` and then the end of the connection."""
        wanted = f"a close frame with {code}"
        found = self.read_close(wanted)
        if found.code != code:
            raise Unexpected(wanted, str(found))
        self.expect_end()

    # The way out

    def answer_close(self) -> CloseFrame:
        """Read a close frame, answer it, read the end; return its code and reason."""
        received = self.read_close()
        self.send_close(*received)
        self.expect_end()
        return received

    def close(self, code: int = 1000, reason: str = "") -> CloseFrame:
        """Shake hands to close; return the code and reason of the server's answer."""
        self.send_close(code, reason)
        answer = self.read_close()
        self.expect_end()
        return answer


Connect: TypeAlias = Callable[..., RawClient]
"""The type of the plugin's `connect` fixture."""


class HandshakeFailed(Unmet, ConnectionRefusedError):
    """The server answers an opening handshake with something else than 101."""

    def __init__(self, target: str, response: HttpResponse) -> None:
        said = f" and {quote(response.body)}" if response.body else ""
        super().__init__(
            f"101 Switching Protocols for {target}", f"{describe_status(response.status)}{said}"
        )


def _decode(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise Unexpected("text in UTF-8", quote(payload)) from error
