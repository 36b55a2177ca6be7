"""Request and response of the in-memory engine: values in, values out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed
from turnout.headers import Headers, HeadersLike
from turnout.http import Address, ServerHttpRequest, ServerHttpResponse
from turnout.testing.http import HttpResponse

if TYPE_CHECKING:
    from turnout.testing.memory_engine import MemoryConnection

__all__ = ["MemoryRequest", "MemoryResponse"]

CLIENT: Address = ("192.0.2.1", 50000)  # RFC 5737: an address that nobody has
SERVER: Address = ("192.0.2.2", 80)


class MemoryRequest(ServerHttpRequest):
    """A request that no socket carried."""

    native = None

    def __init__(
        self, target: str, headers: Headers, *, method: str = "GET", body: bytes = b""
    ) -> None:
        super().__init__()
        self._target = target
        self._headers = headers
        self._method = method
        self._body = body

    @property
    def method(self) -> str:
        """The method."""
        return self._method

    @property
    def scheme(self) -> str:
        """Always `http`."""
        return "http"

    @property
    def target(self) -> str:
        """The target as given."""
        return self._target

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        """An address of the documentation's network."""
        return CLIENT

    @property
    def local_address(self) -> Address | None:
        """An address of the documentation's network."""
        return SERVER

    async def read_body(self, limit: int) -> bytes:
        """Return the body that was given."""
        if len(self._body) > limit:
            raise BodyTooLargeError(
                f"the body has {len(self._body)} bytes; at most {limit} are taken"
            )
        return self._body


class MemoryResponse(ServerHttpResponse):
    """A response that is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._code = 0
        self._fields = Headers()
        self._body = bytearray()
        self._gone = asyncio.Event()
        self.connection: MemoryConnection | None = None
        """Set when the answer is a 101."""
        self.begun: asyncio.Event = asyncio.Event()
        """Set when the session of `connection` has begun."""

    @property
    def answer(self) -> HttpResponse:
        """What a client would have read."""
        return HttpResponse(self._code, self._fields, bytes(self._body))

    def accept(self, headers: HeadersLike) -> None:
        """Keep a 101."""
        self._fields = Headers(headers)
        self._code = 101
        self.started: bool = True

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Keep a whole response."""
        await self.start(status, headers)
        self._body += body

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Keep status and headers."""
        self._fields = self.headers.copy()
        self._fields.extend(headers)
        self._code = status
        self.started = True

    async def write(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        self._body += data

    async def finish(self) -> None:
        """End the body: nothing is left to do."""

    @property
    def disconnected(self) -> bool:
        """True after `disconnect`."""
        return self._gone.is_set()

    async def wait_disconnected(self) -> None:
        """Return after `disconnect`."""
        await self._gone.wait()

    def disconnect(self) -> None:
        """Be a client that goes."""
        self._gone.set()
