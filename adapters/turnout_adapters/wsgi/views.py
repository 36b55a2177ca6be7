"""What all WSGI servers have in common: the request in an environ, the response by a callable.

Each server's adapter adds what its environ has lost, and the way out of HTTP.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed
from turnout.headers import Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_adapters.principals import principal_of

if TYPE_CHECKING:
    from turnout.headers import HeadersLike
    from turnout.http import Address, Principal
    from turnout.runtime import Runtime, Waiter
    from turnout_compat.hangup import HangupWatch

__all__ = ["Environ", "StartResponse", "WsgiApplication", "WsgiRequest", "WsgiResponse"]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

PATH_CHARACTERS = "/:@!$&'()*+,;=~"
PIECE = 64 * 1024
WITHOUT_BODY = frozenset({204, 304})


class WsgiRequest(ServerHttpRequest):
    """A request that a WSGI server has read; `native` is the environ.

    Paths are those below `SCRIPT_NAME`.
    """

    native: Environ

    def __init__(self, environ: Environ) -> None:
        super().__init__()
        self.native = environ

    @property
    def method(self) -> str:
        """The method."""
        return cast("str", self.native["REQUEST_METHOD"])

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks."""
        return cast("str", self.native["SERVER_PROTOCOL"]).removeprefix("HTTP/")

    @property
    def scheme(self) -> str:
        """`https` on a server with TLS."""
        return cast("str", self.native["wsgi.url_scheme"])

    @property
    def target(self) -> str:
        """The request target as sent; of an absolute one, what follows the authority."""
        return self._target

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._headers

    @cached_property
    def _target(self) -> str:
        sent = self.sent_target
        if sent is None:
            return self._rebuilt_target
        if sent.startswith(("http://", "https://")):
            return "/" + sent.split("/", 3)[3] if sent.count("/") > 2 else "/"
        return sent

    @cached_property
    def raw_path(self) -> str:
        """The path below `SCRIPT_NAME`, percent-encoded, without the query."""
        whole = self.target.partition("?")[0]
        script = self.native.get("SCRIPT_NAME", "").rstrip("/")
        if not script:
            return whole
        root = _quoted(script)
        if whole.startswith(root) and whole[len(root) : len(root) + 1] in {"", "/"}:
            return whole[len(root) :] or "/"
        return _quoted(self.native.get("PATH_INFO", "")) or "/"

    @cached_property
    def _headers(self) -> Headers:
        return Headers.trusted(self.sent_fields or fields_of(self.native))

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        host = self.native.get("REMOTE_ADDR")
        return (host, int(self.native["REMOTE_PORT"])) if host else None

    @property
    def principal(self) -> Principal | None:
        """The user that the server or a middleware has authenticated: `REMOTE_USER`."""
        return principal_of(self.native.get("REMOTE_USER"))

    @property
    def sent_target(self) -> str | None:
        """The request target as sent, where the server tells it."""
        return None

    @property
    def sent_fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent, where the server tells them."""
        return None

    async def read_body(self, limit: int) -> bytes:
        """Return the whole request body; raise `BodyTooLargeError` past `limit` bytes.

        Raises `HandshakeRefused` (400) for chunks that are none, `ConnectionClosed` when the
        client goes before the end.
        """
        declared = self.native.get("CONTENT_LENGTH")
        if declared and int(declared) > limit:
            raise BodyTooLargeError(f"the request body is larger than {limit} bytes")
        body = bytearray()
        while piece := self.read_piece(PIECE, len(body)):
            body += piece
            if len(body) > limit:
                raise BodyTooLargeError(f"the request body is larger than {limit} bytes")
        if declared and len(body) < int(declared):
            raise ConnectionClosed(NO_CLOSE_FRAME)
        return bytes(body)

    def read_piece(self, size: int, taken: int) -> bytes:
        """Return some bytes of the body, none at its end; `taken` were returned before."""
        source: Any = self.native["wsgi.input"]
        if not self.native.get("wsgi.input_terminated"):  # it may be the bare stream
            size = min(size, int(self.native.get("CONTENT_LENGTH") or 0) - taken)
        return cast("bytes", source.read(size)) if size > 0 else b""

    @property
    def _rebuilt_target(self) -> str:
        # PATH_INFO is decoded: an encoded slash cannot be told from a plain one any more.
        target = _quoted(self.native.get("SCRIPT_NAME", "") + self.native.get("PATH_INFO", ""))
        query = self.native.get("QUERY_STRING")
        return f"{target}?{query}" if query else target


RequestT = TypeVar("RequestT", bound=WsgiRequest)


class WsgiResponse(ServerHttpResponse, Generic[RequestT]):
    """The response to a request on a WSGI server; writing blocks while the client is slow."""

    def __init__(self, request: RequestT, start_response: StartResponse, runtime: Runtime) -> None:
        super().__init__()
        self.request = request
        self.start_response = start_response
        self._runtime = runtime
        self._write: Callable[[bytes], object]
        self._has_body = True
        self._disconnected = False
        self._watch: HangupWatch | None = None
        self._waiters: list[Waiter] = []

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        fields = self._fields(headers)
        if status not in WITHOUT_BODY:
            fields.set("Content-Length", str(len(body)))
        self._begin(status, fields, body)

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers now; the server sends the body chunked to HTTP/1.1 clients."""
        fields = self._fields(headers)
        if self.request.http_version == "1.0":  # only the end of the connection ends the body
            fields.set("Connection", "close")
        self._begin(status, fields, b"")

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; returns when the kernel has taken it."""
        if self._has_body:
            self._send(data)

    async def finish(self) -> None:
        """End a streamed body: the server does when the request is over."""

    @property
    def disconnected(self) -> bool:
        """True once the client is known to have gone."""
        return self._disconnected or self._hangup_watch().has_fired

    async def wait_disconnected(self) -> None:
        """Return when the client has gone."""
        waiter = self._runtime.waiter()
        self._waiters.append(waiter)  # before the look: on threads it may happen in between
        if not self.disconnected:
            await waiter

    def release(self) -> None:
        """Watch for the client no more; the request is over."""
        if self._watch is not None:
            self._watch.close()

    @abstractmethod
    def abandon(self) -> None:
        """Have the server end the connection after this request, with nothing more written."""

    @abstractmethod
    def watch_hangup(self, on_hangup: Callable[[], object]) -> HangupWatch:
        """Return a watch for the client of this request."""

    def begun_without_body(self) -> None:
        """Take note that this response, whose head is sent, must not have a body."""

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = Headers(headers)
        fields.extend(self.headers.fields())
        return fields

    def _begin(self, status: int, fields: Headers, body: bytes) -> None:
        self.started = True
        self._has_body = self.request.method != "HEAD" and status not in WITHOUT_BODY
        line = f"{status} {_phrase(status)}"
        self._write = self.start_response(line, list(fields.fields()))
        self._send(body if self._has_body else b"")
        if not self._has_body:
            self.begun_without_body()

    def _send(self, data: bytes) -> None:
        try:
            self._write(data)
        except OSError as error:
            self._gone()
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    def _hangup_watch(self) -> HangupWatch:
        if self._watch is None:
            self._watch = self.watch_hangup(self._gone)
        return self._watch

    def _gone(self) -> None:
        self._disconnected = True
        for waiter in self._waiters:
            waiter.wake()


def fields_of(environ: Environ) -> Iterable[tuple[str, str]]:
    """Yield the header fields that an environ has."""
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").title(), value
        elif key in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield key.replace("_", "-").title(), value


def _quoted(path: str) -> str:
    return quote(path.encode("latin-1"), safe=PATH_CHARACTERS)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
