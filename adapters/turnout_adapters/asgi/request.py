"""The request of an ASGI scope as turnout sees it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from turnout.errors import BodyTooLargeError
from turnout.headers import HANDSHAKE_FIELDS, Headers
from turnout.http import ServerHttpRequest
from turnout_adapters.asgi.takeover import takeover_host
from turnout_adapters.principals import principal_of

if TYPE_CHECKING:
    from turnout.http import Address, Principal
    from turnout_adapters.asgi.receiver import Receiver
    from turnout_adapters.asgi.types import Scope

__all__ = ["AsgiRequest"]

COMMON_NAMES = {name.lower().encode(): name.lower() for name in HANDSHAKE_FIELDS}
PATH_CHARACTERS = "/:@!$&'()*+,;=~-._"  # RFC 3986 section 3.3: these stand for themselves
HANDSHAKE = (
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dHVybm91dCBpbiBBU0dJLg=="),
)
"""What a host has checked by itself, and may have taken out of the header fields."""


class AsgiRequest(ServerHttpRequest):
    """A request of an ASGI server; `native` is its scope."""

    native: Scope

    def __init__(self, scope: Scope, receiver: Receiver) -> None:
        super().__init__()
        self.native = scope
        self.receiver: Receiver = receiver
        self._headers: Headers | None = None

    @property
    def method(self) -> str:
        """The method; of a WebSocket over HTTP/2 or 3, CONNECT (RFC 8441)."""
        if self.native["type"] == "http":
            return self.native["method"].upper()  # type: ignore[no-any-return]  # a str by the spec
        host = takeover_host(self.native)
        if host is not None:
            return host.method
        return "GET" if self.http_version.startswith("1") else "CONNECT"

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks."""
        return self.native.get("http_version", "1.1")  # type: ignore[no-any-return]  # as above

    @property
    def connect_protocol(self) -> str | None:
        """`websocket` for a WebSocket over HTTP/2 or 3: the host makes no other such scope."""
        is_websocket = self.native["type"] == "websocket"
        return "websocket" if is_websocket and self.method == "CONNECT" else None

    @property
    def scheme(self) -> str:
        """`https` on TLS, as the host, or a proxy that it trusts, says."""
        return "https" if self.native.get("scheme") in {"https", "wss"} else "http"

    @property
    def target(self) -> str:
        """The request target, whole: with the `root_path` and the query."""
        query = self.query_string
        return f"{self._whole_path}?{query}" if query else self._whole_path

    @cached_property
    def raw_path(self) -> str:
        """The path below `root_path`, percent-encoded, without the query."""
        root = quote(self.native.get("root_path", ""), safe=PATH_CHARACTERS).rstrip("/")
        whole = self._whole_path
        below = whole.startswith(root) and whole[len(root) : len(root) + 1] in {"", "/"}
        raw = (whole[len(root) :] if below else whole) or "/"
        path = self.native["path"]
        return raw if path in {unquote(raw), unquote(whole)} else _end_of(whole, path)

    @property
    def query_string(self) -> str:
        """The query as sent, without the question mark."""
        return self.native.get("query_string", b"").decode("latin-1")  # type: ignore[no-any-return]  # bytes by the spec

    @property
    def headers(self) -> Headers:
        """The header fields, in order; ASGI has their names in lower case."""
        if self._headers is None:
            fields = [
                (COMMON_NAMES.get(name) or name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.native["headers"]
            ]
            if self.native["type"] == "websocket" and takeover_host(self.native) is None:
                fields += self._taken_out({name for name, _ in fields})
            self._headers = Headers.trusted(fields)
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket, or whom a proxy that the host trusts has named."""
        return _address(self.native.get("client"))

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return _address(self.native.get("server"))

    @property
    def principal(self) -> Principal | None:
        """The user that a middleware of the host has put into the scope."""
        return principal_of(self.native.get("user"))

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; raise `BodyTooLargeError` as soon as the limit is passed."""
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise BodyTooLargeError(f"the body has {declared} bytes; at most {limit} are taken")
        return await self.receiver.read_body(limit)

    @property
    def _whole_path(self) -> str:
        raw: bytes | None = self.native.get("raw_path")
        if raw is None:
            return quote(self.native["path"], safe=PATH_CHARACTERS)
        return raw.decode("latin-1").partition("?")[0]

    def _taken_out(self, names: set[str]) -> Iterator[tuple[str, str]]:
        """Yield what the host may have taken out of the fields: it has made the handshake."""
        offered = self.native.get("subprotocols")
        if offered and "sec-websocket-protocol" not in names:
            yield "sec-websocket-protocol", ", ".join(offered)
        for name, value in HANDSHAKE if self.method == "GET" else HANDSHAKE[2:3]:
            if name not in names:
                yield name, value


def _end_of(whole: str, path: str) -> str:
    """Return what is left of a raw path where a framework has shortened `path`, and nothing else.

    That is Litestar, which also adds a slash.
    """
    if not whole.endswith("/"):
        path = path.rstrip("/") or "/"
    starts = (at for at, character in enumerate(whole) if character == "/")
    return next((whole[at:] for at in starts if unquote(whole[at:]) == path), "") or quote(
        path, safe=PATH_CHARACTERS
    )


def _address(pair: tuple[str, int | str | None] | None) -> Address | None:
    if pair is None or not pair[0]:
        return None
    host, port = pair
    return host if port is None else (host, int(port))  # granian's is a str
