"""HTTP/1.1 from the client's side: handshake requests of any kind, and responses."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from turnout.headers import Headers
from turnout.testing.expectations import Unexpected, Unmet, quote
from turnout.testing.stream import ByteStream

__all__ = ["HandshakeRequest", "HttpResponse", "accept_key", "describe_status", "read_response"]

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key.encode() + ACCEPT_GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _fresh_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRequest:
    """An opening handshake; a field that is None is left out, so that any check can be failed."""

    target: str
    host: str = "localhost"
    method: str = "GET"
    http_version: str = "HTTP/1.1"
    upgrade: str | None = "websocket"
    connection: str | None = "Upgrade"
    key: str | None = field(default_factory=_fresh_key)
    version: str | None = "13"
    origin: str | None = None
    protocols: str | None = None
    extensions: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """Return the request as bytes."""
        lines = [f"{self.method} {self.target} {self.http_version}"]
        lines += [f"{name}: {value}" for name, value in self.fields()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def fields(self) -> list[tuple[str, str]]:
        """Return the header fields that are not left out, in order."""
        return [(name, value) for name, value in self._fields() if value is not None]

    def _fields(self) -> Iterator[tuple[str, str | None]]:
        yield "Host", self.host
        yield "Upgrade", self.upgrade
        yield "Connection", self.connection
        yield "Sec-WebSocket-Key", self.key
        yield "Sec-WebSocket-Version", self.version
        yield "Origin", self.origin
        yield "Sec-WebSocket-Protocol", self.protocols
        yield "Sec-WebSocket-Extensions", self.extensions
        yield from self.headers


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response as it was read; a 101 has no body."""

    status: int
    headers: Headers
    body: bytes = b""
    http_version: str = "HTTP/1.1"

    @property
    def is_last(self) -> bool:
        """Whether it says that the connection ends behind it (RFC 9112 sections 6.3 and 9.3)."""
        words = [word.lower() for word in self.headers.get_list("Connection")]
        if "close" in words or (self.http_version == "HTTP/1.0" and "keep-alive" not in words):
            return True
        has_length = "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        return not has_length and self.status not in (101, 204, 304)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def __str__(self) -> str:
        hidden = {"upgrade: websocket", "connection: upgrade"} if self.status == 101 else set()
        fields = [f"{name}: {value}" for name, value in self.headers.fields()]
        fields = [field for field in fields if field.lower() not in hidden]
        body = [f"body {quote(self.body)}"] if self.body else []
        return "; ".join([describe_status(self.status), *fields, *body])


def describe_status(status: int) -> str:
    """Return a status with its phrase, as in `403 Forbidden`."""
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".rstrip()


def read_response(stream: ByteStream, *, head_only: bool = False) -> HttpResponse:
    """Read one response: status line, headers and the body that they announce.

    Raises `ValueError` for what is not HTTP/1.1. `head_only` leaves the body on the stream.
    """
    stream.wanted = "an HTTP response"
    head = stream.read_until(b"\r\n\r\n").decode("latin-1")
    status_line, *lines = head.split("\r\n")[:-2]
    protocol, _, rest = status_line.partition(" ")
    status = rest[:3]
    if protocol not in ("HTTP/1.1", "HTTP/1.0") or not status.isdigit():
        raise NotHttpError("an HTTP response", quote(head))
    headers = Headers.trusted(_split_field(line) for line in lines)
    no_body = head_only or status in ("101", "204", "304")
    stream.wanted = "the body of the response"
    response = HttpResponse(int(status), headers, http_version=protocol)
    stream.note(note := _Note(response))
    body = b"" if no_body else _read_body(stream, headers)
    note.response = replace(response, body=body)
    return note.response


class _Note:
    """A response in a conversation: entered when its head has come, told with its body."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response

    def __str__(self) -> str:
        return str(self.response)


class NotHttpError(Unmet, ValueError):
    """What the server sent is no HTTP response."""


def _split_field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise NotHttpError("a header line", quote(line))
    return name, value.strip()


def _read_body(stream: ByteStream, headers: Headers) -> bytes:
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return b"".join(read_chunks(stream))
    if "Content-Length" in headers:
        return stream.read_exactly(int(headers["Content-Length"]))
    return stream.read_to_end()


def read_chunks(stream: ByteStream) -> Iterator[bytes]:
    """Yield the pieces of a chunked body (RFC 9112 section 7.1), without the last, empty one."""
    while True:
        size = int(stream.read_until(b"\r\n").split(b";")[0], 16)
        data = stream.read_exactly(size)
        if stream.read_exactly(2) != b"\r\n":
            raise Unexpected("a chunk to end where its size says", "other bytes there")
        if size == 0:
            return
        yield data
