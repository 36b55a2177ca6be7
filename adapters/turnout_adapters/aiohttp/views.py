"""aiohttp's request and response as turnout sees them."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from aiohttp import ClientPayloadError, web
from multidict import CIMultiDict

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed
from turnout.handshake.negotiated import response_head
from turnout.headers import HANDSHAKE_FIELDS, Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_adapters.aiohttp.protocols import DisconnectWatch
from turnout_compat.asyncio_transport import address_of

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from turnout.headers import HeadersLike
    from turnout.http import Address

__all__ = ["AiohttpRequest", "AiohttpResponse"]

BODILESS = frozenset((204, 304))
COMMON_NAMES = {name.encode(): name for name in HANDSHAKE_FIELDS}


class AiohttpRequest(ServerHttpRequest):
    """A request of aiohttp; `native` is the `web.Request` (of `serve`, a `web.BaseRequest`)."""

    native: web.BaseRequest

    def __init__(self, native: web.BaseRequest) -> None:
        super().__init__()
        self.native = native

    @property
    def method(self) -> str:
        """The method."""
        return self.native.method

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks."""
        return f"{self.native.version.major}.{self.native.version.minor}"

    @property
    def scheme(self) -> str:
        """`https` on a TLS connection, whatever a middleware has made of the request."""
        return "http" if self.native.get_extra_info("sslcontext") is None else "https"

    @cached_property
    def target(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # found once
        """The request target as sent; of an absolute one, what follows the authority."""
        target = self.native.raw_path
        if target.startswith(("http://", "https://")):
            return "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
        return target

    @cached_property
    def headers(self) -> Headers:  # pyright: ignore[reportIncompatibleMethodOverride]  # once
        """The header fields as sent, in order."""
        return Headers.trusted(
            [
                (COMMON_NAMES.get(name) or name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.native.raw_headers
            ]
        )

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return address_of(self.native.get_extra_info("peername"))

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_of(self.native.get_extra_info("sockname"))

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; raise `BodyTooLargeError` as soon as the limit is passed.

        A body that a middleware of the host has already read by `request.read()` is given again.
        """
        declared = self.native.content_length
        if declared is not None and declared > limit:
            raise BodyTooLargeError(f"the body has {declared} bytes; at most {limit} are taken")
        try:
            return await self._read(limit)
        except (ClientPayloadError, web.RequestPayloadError, ConnectionError) as error:
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    async def _read(self, limit: int) -> bytes:
        content = self.native.content
        body = bytearray(await self.native.read() if content.at_eof() else b"")
        while len(body) <= limit:
            piece = await content.readany()
            if not piece:
                return bytes(body)
            body += piece
        raise BodyTooLargeError(f"the body has more than {limit} bytes")


class AiohttpResponse(ServerHttpResponse):
    """A response that aiohttp writes; `native` is what the handler returns to aiohttp at its end.

    A whole response goes back through the host's middlewares, which may still add to it, and is
    written when the handler returns. A streamed one is written as it comes.
    """

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__()
        self.native: web.StreamResponse | None = None
        self._request = request
        self._writer: AbstractStreamWriter | None = None
        self._watch: DisconnectWatch | None = None

    @property
    def switched(self) -> bool:
        """True once the connection is none of HTTP any more."""
        return isinstance(self.native, SwitchedResponse)

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        fields = self._fields(headers)
        fields.remove("content-length")
        content = None if status in BODILESS else body
        self._begin(web.Response(status=status, headers=_multi_dict(fields), body=content), fields)

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers; the body follows, in chunks."""
        fields = self._fields(headers)
        response = web.StreamResponse(status=status, headers=_multi_dict(fields))
        self._begin(response, fields)
        self._writer = await response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; wait while the client is slow."""
        assert self.native is not None
        assert self._writer is not None, "write() comes after start()"
        try:
            await self.native.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise ConnectionClosed(NO_CLOSE_FRAME) from error
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)

    async def finish(self) -> None:
        """End the body."""
        if self.native is not None and not self.disconnected:
            await self.native.write_eof()

    async def switch(self, fields: list[tuple[str, str]]) -> asyncio.Transport:
        """Write the 101 and return the transport.

        The host's `on_response_prepare` signals run first and may add headers or cookies; aiohttp's
        own `Date` and `Server` are left out, so the bytes are those of every engine.
        """
        response = SwitchedResponse(fields)
        if isinstance(self._request, web.Request):
            for app in self._request.match_info.apps:
                await app.on_response_prepare.send(self._request, response)
            fields = response.fields()
        transport = self._request.transport
        if transport is None:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        self.native = response
        self.started = True
        transport.write(response_head(fields))
        return transport

    @property
    def disconnected(self) -> bool:
        """True once the connection is lost."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    async def wait_disconnected(self) -> None:
        """Return when the connection is lost, or a WebSocket's."""
        transport = self._request.transport
        if transport is None:
            return
        if self._watch is None:
            self._watch = DisconnectWatch(transport)
        await self._watch.wait()

    def release(self) -> None:
        """Leave the connection to aiohttp as it was; the handler has returned."""
        if self._watch is None:
            return
        if self.switched:
            self._watch.end()
        else:
            self._watch.leave()

    def _begin(self, native: web.StreamResponse, fields: Headers) -> None:
        if self.started:
            raise RuntimeError("the response was sent, or begun, already")
        self.started = True
        if any(option.lower() == "close" for option in fields.get_list("connection")):
            native.force_close()
        self.native = native

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = self.headers.copy()
        fields.extend(headers)
        return fields


class SwitchedResponse(web.StreamResponse):
    """Stands for the 101 in aiohttp's books: the access log and middlewares see it, written."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__(status=101, headers=CIMultiDict(fields))
        self.force_close()

    def fields(self) -> list[tuple[str, str]]:
        """Return the header fields, with what the application has added."""
        cookies = (("Set-Cookie", one.OutputString()) for one in self.cookies.values())
        return [*self.headers.items(), *cookies]

    @property
    def prepared(self) -> bool:
        """True: it is on the wire."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write nothing more."""
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing more."""


def _multi_dict(fields: Headers) -> CIMultiDict[str]:
    return CIMultiDict(fields.fields())
