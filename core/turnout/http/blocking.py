"""Request and response for plain `def` HTTP handlers: the same names, every call blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from turnout.headers import Headers, HeadersLike
    from turnout.http.request import Address, Principal, ServerHttpRequest
    from turnout.http.response import ServerHttpResponse
    from turnout.runtime import Runtime

__all__ = ["BlockingRequest", "BlockingResponse"]


class BlockingRequest:
    """A `ServerHttpRequest` for code that blocks."""

    def __init__(self, request: ServerHttpRequest, runtime: Runtime) -> None:
        self._request = request
        self._call = runtime.call_blocking
        self.native: Any = request.native
        self.attributes: dict[str, Any] = request.attributes
        self.path_variables: dict[str, str] = request.path_variables

    @property
    def method(self) -> str:
        """The method, upper case."""
        return self._request.method

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self._request.scheme

    @property
    def target(self) -> str:
        """The request target as sent."""
        return self._request.target

    @property
    def path(self) -> str:
        """The decoded path, without the query."""
        return self._request.path

    @property
    def query(self) -> dict[str, str]:
        """The query parameters."""
        return self._request.query

    @property
    def query_string(self) -> str:
        """The query as sent."""
        return self._request.query_string

    @property
    def uri(self) -> str:
        """The absolute URI of the request."""
        return self._request.uri

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._request.headers

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return self._request.remote_address

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return self._request.local_address

    @property
    def principal(self) -> Principal | None:
        """The user that the host has authenticated."""
        return self._request.principal

    def read_body(self, limit: int) -> bytes:
        """Return the whole request body; raise `BodyTooLargeError` past `limit` bytes."""
        return self._call(self._request.read_body(limit))

    def http_session(self, *, create: bool = False) -> MutableMapping[str, Any] | None:
        """Return the host's HTTP session, or None where it has none."""
        return self._call(self._request.http_session(create=create))


class BlockingResponse:
    """A `ServerHttpResponse` for code that blocks."""

    def __init__(self, response: ServerHttpResponse, runtime: Runtime) -> None:
        self._response = response
        self._call = runtime.call_blocking
        self.headers: Headers = response.headers

    @property
    def started(self) -> bool:
        """True once status and headers are sent."""
        return self._response.started

    @property
    def disconnected(self) -> bool:
        """True once the client is known to have gone."""
        return self._response.disconnected

    def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        self._call(self._response.send(status, headers, body))

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers now; the body follows by `write`."""
        self._call(self._response.start(status, headers))

    def write(self, data: bytes) -> None:
        """Send a piece of the body; returns when more may be written."""
        self._call(self._response.write(data))

    def finish(self) -> None:
        """End a streamed body."""
        self._call(self._response.finish())

    def wait_disconnected(self) -> None:
        """Return when the client has gone."""
        self._call(self._response.wait_disconnected())
