"""Tornado's request and response as turnout sees them."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import tornado
from tornado.httputil import HTTPHeaders, ResponseStartLine, format_timestamp

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed
from turnout.headers import Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_compat.socket_transport import address_from, address_of

if TYPE_CHECKING:
    import socket

    from tornado.http1connection import HTTP1Connection
    from tornado.httputil import HTTPServerRequest
    from tornado.web import RequestHandler

    from turnout.headers import HeadersLike
    from turnout.http import Address
    from turnout_adapters.tornado.body import RequestBody

__all__ = ["TornadoRequest", "TornadoResponse", "connection_of"]

REASONS = {status.value: status.phrase for status in HTTPStatus}
SERVER = f"TornadoServer/{tornado.version}"
WITHOUT_BODY = frozenset({204, 304})


def connection_of(request: HTTPServerRequest) -> HTTP1Connection:
    """Return the connection of a request; Tornado serves no other kind than HTTP/1."""
    connection: HTTP1Connection = request.connection  # type: ignore[assignment]  # typed as its base
    return connection


class TornadoRequest(ServerHttpRequest):
    """A request that Tornado has parsed.

    `native` is a `RequestHandler` made for it, so that cookies and settings are at hand; no method
    of an HTTP verb is ever called on it.
    """

    native: RequestHandler
    body: RequestBody

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__()
        self._request = request
        connection: Any = connection_of(request)
        context: Any = connection.context
        # With xheaders=True Tornado takes `protocol` from forwarded headers, for which core has
        # rules of its own; the context keeps what it was before.
        self._scheme: str = getattr(context, "_orig_protocol", None) or request.protocol
        self._remote = address_of(getattr(context, "address", None))
        self._socket: socket.socket | None = connection.stream.socket

    @property
    def method(self) -> str:
        """The method."""
        assert self._request.method is not None
        return self._request.method

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks."""
        return self._request.version.removeprefix("HTTP/")

    @property
    def scheme(self) -> str:
        """`https` on a TLS connection, or where `HTTPServer(protocol="https")` says so."""
        return self._scheme

    @cached_property
    def target(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # found once
        """The request target as sent; of an absolute one, what follows the authority."""
        target = self._request.uri or "/"
        if target.startswith(("http://", "https://")):
            return "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
        return target

    @cached_property
    def headers(self) -> Headers:  # pyright: ignore[reportIncompatibleMethodOverride]  # once
        """The header fields."""
        return Headers.trusted(self._request.headers.get_all())

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return self._remote

    @cached_property
    def local_address(self) -> Address | None:  # pyright: ignore[reportIncompatibleMethodOverride]  # once
        """This end of the socket; None when it is closed before anybody asks."""
        return None if self._socket is None else address_from(self._socket.getsockname)

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; raise `BodyTooLargeError` as soon as the limit is passed.

        The server's own `max_body_size` holds too; Tornado answers 400 above it.
        """
        declared = self._request.headers.get("Content-Length", "0")
        if int(declared.partition(",")[0]) > limit:
            raise BodyTooLargeError(f"the body has {declared} bytes; at most {limit} are taken")
        return await self.body.read(limit)


class TornadoResponse(ServerHttpResponse):
    """A response that Tornado's `HTTP1Connection` frames."""

    def __init__(self, handler: RequestHandler, body: RequestBody) -> None:
        super().__init__()
        self._handler = handler
        self._connection = connection_of(handler.request)
        self._body = body
        self._is_head = handler.request.method == "HEAD"
        self._has_body = True
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.finished = False

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        fields = self._fields(headers)
        fields.remove("content-length")
        if status not in WITHOUT_BODY:
            fields.add("Content-Length", str(len(body)))
        await self._begin(status, fields, body)
        await self.finish()

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers; the body follows, in chunks."""
        await self._begin(status, self._fields(headers))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; return when the socket has taken it."""
        self._check_connected()
        if data and self._has_body:
            await self._taken(self._connection.write(data))

    async def finish(self) -> None:
        """End the body."""
        if self.finished or self.disconnected:
            return
        self.finished = True
        if not self._body.ended:
            await self._body.discard()
        self._connection.finish()

    @property
    def disconnected(self) -> bool:
        """True once the connection is lost."""
        stream: Any = self._connection.stream  # None once it was detached
        return self._gone.done() or stream is None or stream.closed()

    async def wait_disconnected(self) -> None:
        """Return when the connection is lost."""
        await asyncio.shield(self._gone)

    def lose(self) -> None:
        """Note that the client has gone."""
        if not self._gone.done():
            self._gone.set_result(None)

    def switched(self) -> None:
        """Note that the 101 is on its way, by another hand."""
        self.started = self.finished = True
        self._handler.set_status(101)

    def _check_connected(self) -> None:
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = self.headers.copy()
        fields.extend(headers)
        for name, value in (("Server", SERVER), ("Date", format_timestamp(time.time()))):
            if name not in fields:
                fields.add(name, value)
        return fields

    async def _begin(self, status: int, fields: Headers, body: bytes = b"") -> None:
        self._check_connected()
        headers = HTTPHeaders()
        for name, value in fields.fields():
            headers.add(name, value)
        self.started = True
        self._handler.set_status(status)
        self._has_body = not self._is_head and status not in WITHOUT_BODY
        line = ResponseStartLine("HTTP/1.1", status, REASONS.get(status, ""))
        chunk = body if self._has_body else b""
        await self._taken(self._connection.write_headers(line, headers, chunk))

    async def _taken(self, written: asyncio.Future[None]) -> None:
        """Wait until the socket has taken what was written, or never will.

        Tornado settles the future of a write that failed as if it had not, or not at all.
        """
        if not written.done():
            await asyncio.wait({written, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        self._check_connected()
