"""The view of an HTTP request that every adapter gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import MutableMapping
from functools import cached_property
from typing import Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import parse_qsl, unquote

from turnout.headers import Headers

__all__ = ["Address", "Principal", "ServerHttpRequest"]

Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


@runtime_checkable
class Principal(Protocol):
    """Who is at the other end: anything with a `name`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The unique name of the user."""


class ServerHttpRequest(ABC):
    """One HTTP request, whatever server it arrived on.

    `native` is the server's own request object (aiohttp's Request, Tornado's RequestHandler, a
    WSGI environ, ...). `attributes` is a scratch space that lives as long as the request.
    """

    native: Any

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.path_variables: dict[str, str] = {}

    @property
    @abstractmethod
    def method(self) -> str:
        """The method, upper case."""

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks: `1.0`, `1.1`, `2` or `3`."""
        return "1.1"

    @property
    def connect_protocol(self) -> str | None:
        """The `:protocol` of an extended CONNECT over HTTP/2 (RFC 8441 section 4), else None."""
        return None

    @property
    @abstractmethod
    def scheme(self) -> str:
        """`http` or `https`, as the server itself received it (no forwarded header counts)."""

    @property
    @abstractmethod
    def target(self) -> str:
        """The request target as sent: the percent-encoded path, with the query if there is one."""

    @property
    @abstractmethod
    def headers(self) -> Headers:
        """The header fields; a copy that outlives the request."""

    @property
    @abstractmethod
    def remote_address(self) -> Address | None:
        """The peer of the socket."""

    @property
    @abstractmethod
    def local_address(self) -> Address | None:
        """This end of the socket."""

    @property
    def principal(self) -> Principal | None:
        """The user that the host has authenticated, if it has."""
        return None

    @cached_property
    def path(self) -> str:
        """The decoded path, without the query."""
        return unquote(self.raw_path)

    @cached_property
    def raw_path(self) -> str:
        """The path as sent, percent-encoded, without the query."""
        return self.target.partition("?")[0]

    @property
    def query_string(self) -> str:
        """The query as sent, without the question mark."""
        return self.target.partition("?")[2]

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters; the first value of a repeated one."""
        return dict(reversed(parse_qsl(self.query_string, keep_blank_values=True)))

    @property
    def host(self) -> str:
        """The `Host` header, or an empty string."""
        return self.headers.get("host", "")

    @property
    def uri(self) -> str:
        """The absolute URI of the request."""
        return f"{self.scheme}://{self.host}{self.target}"

    @abstractmethod
    async def read_body(self, limit: int) -> bytes:
        """Return the whole request body; raise `BodyTooLargeError` past `limit` bytes."""

    async def http_session(self, *, create: bool = False) -> MutableMapping[str, Any] | None:
        """Return the host's HTTP session, or None where it has none."""
        return None
