"""The standard engine's views of request and response."""

from __future__ import annotations

import asyncio
import re
import sys
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed, UsageError
from turnout.headers import Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_compat.asyncio_transport import address_of

if TYPE_CHECKING:
    from turnout.headers import HeadersLike
    from turnout.http import Address
    from turnout_adapters.wsproto.exchange import HttpExchange

__all__ = ["H11Request", "H11Response"]

_ABSOLUTE = re.compile(r"https?://(?:[^/?#@]*@)?([^/?#]+)(.*)\Z", re.IGNORECASE)
BODILESS = (204, 304)
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


class H11Request(ServerHttpRequest):
    """A request that h11 has parsed; `native` is the h11 event."""

    def __init__(self, connection: HttpExchange, request: h11.Request) -> None:
        super().__init__()
        self.native = request
        self._connection = connection
        self._transport = connection.transport
        self._target = request.target.decode("latin-1")
        self._headers = Headers.trusted(
            (sys.intern(name.decode("latin-1")), value.decode("latin-1"))
            for name, value in request.headers.raw_items()
        )
        absolute = _ABSOLUTE.match(self._target)
        if absolute is not None:  # its authority is the host, whatever the field says
            self._headers.set("Host", absolute[1])
            self._target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"

    @property
    def method(self) -> str:
        """The method."""
        return self.native.method.decode("ascii")  # type: ignore[no-any-return]  # native is Any

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks."""
        return self.native.http_version.decode("ascii")  # type: ignore[no-any-return]  # native is Any

    @property
    def scheme(self) -> str:
        """`https` on a TLS connection."""
        return "http" if self._transport.get_extra_info("ssl_object") is None else "https"

    @property
    def target(self) -> str:
        """The request target as sent; of an absolute one, what follows the authority."""
        return self._target

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return address_of(self._transport.get_extra_info("peername"))

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_of(self._transport.get_extra_info("sockname"))

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; raise `BodyTooLargeError` as soon as the limit is passed."""
        declared = self._headers.get("content-length", "0")
        if int(declared.partition(",")[0]) > limit:
            raise BodyTooLargeError(f"the body has {declared} bytes; at most {limit} are taken")
        body = bytearray()
        async for piece in self._connection.body():
            body += piece
            if len(body) > limit:
                raise BodyTooLargeError(f"the body has more than {limit} bytes")
        return bytes(body)


class H11Response(ServerHttpResponse):
    """A response that h11 frames."""

    def __init__(self, connection: HttpExchange) -> None:
        super().__init__()
        self._connection = connection
        self._has_body = connection.expects_body
        self._finished = False

    def switch(self, headers: list[tuple[str, str]]) -> tuple[asyncio.Transport, bytes]:
        """Send the 101; return the transport and what came with the request."""
        self.started = True
        return self._connection.switch(headers)

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        fields = self._fields(headers)
        fields.remove("content-length")
        if status not in BODILESS:
            fields.add("Content-Length", str(len(body)))
        self._begin(status, fields)
        if body and self._has_body:
            self._connection.send(h11.Data(data=body))
        await self.finish()

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers; the body follows, in chunks."""
        self._begin(status, self._fields(headers))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; wait while the client is slow."""
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        self._expect_unfinished()
        if data and self._has_body:
            self._connection.send(h11.Data(data=data))
        await self._connection.writable()

    async def finish(self) -> None:
        """End the body."""
        if not self.disconnected:
            self._expect_unfinished()
            self._finished = True
            self._connection.send(h11.EndOfMessage())

    @property
    def disconnected(self) -> bool:
        """True once the connection is lost."""
        return self._connection.gone

    async def wait_disconnected(self) -> None:
        """Return when the connection is lost."""
        await asyncio.shield(self._connection.lost)

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = self.headers.copy()
        fields.extend(headers)
        if "date" not in fields:
            fields.add("Date", formatdate(usegmt=True))
        if self._connection.is_last:
            fields.set("Connection", "close")
        return fields

    def _begin(self, status: int, fields: Headers) -> None:
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        if self.started:
            raise UsageError("this request has its answer already")
        self.started = True
        self._has_body = self._has_body and status not in BODILESS
        encoded = [(n.encode("ascii"), v.encode("latin-1")) for n, v in fields.fields()]
        reason = PHRASES.get(status, b"")
        self._connection.send(h11.Response(status_code=status, headers=encoded, reason=reason))

    def _expect_unfinished(self) -> None:
        if not self.started or self._finished:
            raise UsageError("the body of a response comes after start() and before finish()")
