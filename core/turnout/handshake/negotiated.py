"""What a handshake agreed on, and how the 101 says it (RFC 6455 section 4.2.2)."""

from __future__ import annotations

import binascii
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnout.http import Principal, ServerHttpRequest, ServerHttpResponse
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension

__all__ = ["Negotiated", "accept_key", "response_head", "response_headers"]

log: logging.Logger = logging.getLogger("turnout.handshake")

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
# Not for interceptors to set: they belong to the handshake, or frame a body that a 101 has not.
_OWNED = frozenset({"upgrade", "connection", "content-length", "transfer-encoding", "trailer"})


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Negotiated:
    """What both sides have agreed on; `response_headers` is the whole field list of the 101."""

    sub_protocol: str | None
    extensions: tuple[WebSocketExtension, ...]
    deflate: DeflateParameters | None
    principal: Principal | None
    response_headers: list[tuple[str, str]]


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2)."""
    import hashlib  # not with the module: it loads OpenSSL

    digest = hashlib.sha1((key + _GUID).encode("ascii"), usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode("ascii")


def response_headers(
    request: ServerHttpRequest,
    response: ServerHttpResponse,
    sub_protocol: str | None,
    extensions: Iterable[WebSocketExtension],
) -> list[tuple[str, str]]:
    """Return the whole field list of the 101: what it needs, what was agreed, what was added."""
    return [
        *_switching_headers(request),
        *_if_set("Sec-WebSocket-Protocol", sub_protocol),
        *_if_set("Sec-WebSocket-Extensions", ", ".join(map(str, extensions)) or None),
        *_free_headers(response),
    ]


def response_head(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return a 101 with these fields as it goes over the wire."""
    lines = [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode("latin-1")


def _switching_headers(request: ServerHttpRequest) -> list[tuple[str, str]]:
    """Return what switches protocols; a stream of HTTP/2 has nothing to switch (RFC 8441)."""
    if request.method == "CONNECT":
        return []
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(request.headers["sec-websocket-key"])),
    ]


def _if_set(name: str, value: str | None) -> list[tuple[str, str]]:
    return [] if value is None else [(name, value)]


def _free_headers(response: ServerHttpResponse) -> list[tuple[str, str]]:
    """Return what interceptors have set, without what is not theirs to set."""
    free = []
    for name, value in response.headers.fields():
        if name.lower() in _OWNED or name.lower().startswith("sec-websocket-"):
            log.warning("the header %s of a handshake cannot be set by an interceptor", name)
        else:
            free.append((name, value))
    return free
