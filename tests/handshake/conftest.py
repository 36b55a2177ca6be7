"""A request and a response as values; real servers are the conformance suite's matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import pytest

from turnout.errors import BodyTooLargeError
from turnout.headers import Headers, HeadersLike
from turnout.http import Address, Principal, ServerHttpRequest, ServerHttpResponse

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of the example in RFC 6455 section 1.3."""

HANDSHAKE = (
    ("Host", "example.org"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
)


class FakeRequest(ServerHttpRequest):
    """A request that says what its arguments say."""

    def __init__(
        self,
        headers: Iterable[tuple[str, str]],
        *,
        method: str = "GET",
        target: str = "/chat?token=secret",
        scheme: str = "http",
        peer: Address | None = ("192.0.2.7", 40000),
        local: Address | None = ("192.0.2.1", 80),
        http_version: str = "1.1",
        connect_protocol: str | None = None,
        principal: Principal | None = None,
    ) -> None:
        super().__init__()
        self.native = None
        self._headers = Headers(headers)
        self._method = method
        self._target = target
        self._scheme = scheme
        self._peer = peer
        self._local = local
        self._http_version = http_version
        self._connect_protocol = connect_protocol
        self._principal = principal

    @property
    def method(self) -> str:
        return self._method

    @property
    def http_version(self) -> str:
        return self._http_version

    @property
    def connect_protocol(self) -> str | None:
        return self._connect_protocol

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def target(self) -> str:
        return self._target

    @property
    def headers(self) -> Headers:
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        return self._peer

    @property
    def local_address(self) -> Address | None:
        return self._local

    @property
    def principal(self) -> Principal | None:
        return self._principal

    async def read_body(self, limit: int) -> bytes:
        if limit < 0:
            raise BodyTooLargeError("no body is that small")
        return b""


class FakeResponse(ServerHttpResponse):
    """A response that only collects headers; a handshake sends nothing by itself."""

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        raise AssertionError("the handshake answers by raising")

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        raise AssertionError("the handshake answers by raising")

    async def write(self, data: bytes) -> None:
        raise AssertionError("the handshake answers by raising")

    async def finish(self) -> None:
        raise AssertionError("the handshake answers by raising")

    @property
    def disconnected(self) -> bool:
        return False

    async def wait_disconnected(self) -> None:
        raise AssertionError("the handshake does not wait for the client to go")


MakeRequest: TypeAlias = Callable[..., FakeRequest]


@pytest.fixture(scope="session")
def make_request() -> MakeRequest:
    """Return a function that builds a valid handshake request.

    Headers given in `headers` replace those of the same name; None as a value removes them, a list
    gives several lines. Other arguments are those of `FakeRequest`.
    """

    def make(
        headers: dict[str, str | list[str] | None] | None = None, **values: Any
    ) -> FakeRequest:
        changed = headers or {}
        names = {name.lower() for name in changed}
        fields = [field for field in HANDSHAKE if field[0].lower() not in names]
        for name, value in changed.items():
            lines = [value] if isinstance(value, str) else value or []
            fields.extend((name, line) for line in lines)
        return FakeRequest(fields, **values)

    return make


@pytest.fixture
def response() -> FakeResponse:
    """Return a response that has no headers yet."""
    return FakeResponse()
