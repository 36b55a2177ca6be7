"""Views of a request and its response on gevent's pywsgi, for both engines that run on it.

They stand on the WSGI environ. Where pywsgi's handler can be had, it gives what an environ has
lost: the target and the header fields as they were sent. It can where `start_response` is its own
method, or where it is a `PywsgiHandler`; else, behind a middleware that wraps `start_response`,
they are rebuilt from the environ.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from gevent.pywsgi import WSGIHandler

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed, HandshakeRefused
from turnout.headers import Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_compat.gevent_hangup import HangupWatch
from turnout_compat.gevent_transport import address_of, transport_over

if TYPE_CHECKING:
    from turnout.headers import HeadersLike
    from turnout.http import Address
    from turnout.protocol.connection import StandardConnection
    from turnout.runtime import Waiter
    from turnout.strategy import Upgrade
    from turnout_compat.gevent_runtime import GeventRuntime
    from turnout_compat.gevent_transport import GeventTransport

__all__ = ["PywsgiHandler", "PywsgiRequest", "PywsgiResponse", "Upgraded", "handler_of"]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]

HANDLER = "turnout.pywsgi_handler"
PIECE = 64 * 1024
WITHOUT_BODY = frozenset({204, 304})


class PywsgiHandler(WSGIHandler):
    """A handler that can be found behind any middleware."""

    def get_environ(self) -> Environ:
        """Return the environ of the request."""
        return {**super().get_environ(), HANDLER: weakref.ref(self)}  # the handler holds it


def handler_of(environ: Environ, start_response: StartResponse) -> WSGIHandler | None:
    """Return pywsgi's handler of the request, if it can be had."""
    reference = environ.get(HANDLER)
    owner = getattr(start_response, "__self__", None) if reference is None else reference()
    return owner if isinstance(owner, WSGIHandler) else None


class PywsgiRequest(ServerHttpRequest):
    """A request that pywsgi has read; `native` is the WSGI environ."""

    def __init__(self, environ: Environ, handler: WSGIHandler | None) -> None:
        super().__init__()
        self.native = environ
        self.handler = handler
        self._target: str | None = None
        self._headers: Headers | None = None

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
        if self._target is None:
            sent = self._rebuilt_target if self.handler is None else cast("str", self.handler.path)
            if sent.startswith(("http://", "https://")):
                sent = "/" + sent.split("/", 3)[3] if sent.count("/") > 2 else "/"
            self._target = sent
        return self._target

    @property
    def _rebuilt_target(self) -> str:
        # PATH_INFO is decoded: an encoded slash cannot be told from a plain one any more.
        path = self.native.get("SCRIPT_NAME", "") + self.native.get("PATH_INFO", "")
        query = self.native.get("QUERY_STRING")
        target = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~")
        return f"{target}?{query}" if query else target

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            fields = _fields_of(self.native)
            if self.handler is not None:
                fields = ((name, _unfold(v)) for name, v in self.handler.headers.items())
            self._headers = Headers.trusted(fields)
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        if self.handler is not None:
            return address_of(self.handler.client_address)
        host = self.native.get("REMOTE_ADDR")
        return (host, int(self.native["REMOTE_PORT"])) if host else None

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_of(self.socket.getsockname())

    @property
    def reader(self) -> Any:
        """The buffered reader that pywsgi has read the request from."""
        source = self.native["wsgi.input"]
        return getattr(source, "rfile", source)

    @property
    def socket(self) -> Any:
        """The gevent socket of the connection."""
        return self.reader.raw._sock  # noqa: SLF001  # a SocketIO has no public way to it

    async def read_body(self, limit: int) -> bytes:
        """Return the whole request body; raise `BodyTooLargeError` past `limit` bytes.

        Raises `HandshakeRefused` (400) for chunks that are none, `ConnectionClosed` when the
        client goes before the end.
        """
        declared = self.native.get("CONTENT_LENGTH")
        if declared and int(declared) > limit:
            raise BodyTooLargeError(f"the request body is larger than {limit} bytes")
        body = bytearray()
        try:
            while piece := self._read_piece(PIECE, len(body)):
                body += piece
                if len(body) > limit:
                    raise BodyTooLargeError(f"the request body is larger than {limit} bytes")
        except OSError as error:
            if isinstance(error.errno, int):  # the system's; else pywsgi complains about chunks
                raise ConnectionClosed(NO_CLOSE_FRAME) from error
            raise HandshakeRefused(400, body="The request body is malformed.") from error
        return bytes(body)

    def _read_piece(self, size: int, taken: int) -> bytes:
        source: Any = self.native["wsgi.input"]
        if self.handler is not None:
            source = self.handler.wsgi_input
        elif not self.native.get("wsgi.input_terminated"):  # the bare reader of an upgrade request
            size = min(size, int(self.native.get("CONTENT_LENGTH") or 0) - taken)
        return cast("bytes", source.read(size)) if size > 0 else b""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection whose 101 is sent, and whose session is to be run."""

    upgrade: Upgrade
    connection: StandardConnection
    transport: GeventTransport


class PywsgiResponse(ServerHttpResponse):
    """The response to a request on pywsgi; writing blocks the greenlet while the client is slow."""

    def __init__(
        self, request: PywsgiRequest, start_response: StartResponse, runtime: GeventRuntime
    ) -> None:
        super().__init__()
        self.request = request
        self.upgraded: Upgraded | None = None
        """The session to run, once the 101 is sent."""
        self._start_response = start_response
        self._handler = request.handler
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
        """Send status and headers now; pywsgi sends the body chunked to HTTP/1.1 clients."""
        fields = self._fields(headers)
        if self.request.http_version == "1.0":  # only the end of the connection ends the body
            fields.set("Connection", "close")
        self._begin(status, fields, b"")

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; returns when the kernel has taken it."""
        if self._has_body:
            self._send(data)

    async def finish(self) -> None:
        """End a streamed body: pywsgi does when the request is over."""

    @property
    def disconnected(self) -> bool:
        """True once the client is known to have gone."""
        return self._disconnected or self._hangup_watch().has_fired

    async def wait_disconnected(self) -> None:
        """Return when the client has gone."""
        if not self.disconnected:
            waiter = self._runtime.waiter()
            self._waiters.append(waiter)
            await waiter

    def switch(
        self, headers: Iterable[tuple[str, str]], native: Any = None
    ) -> tuple[GeventTransport, bytes]:
        """Write the 101; return the transport and what came after the request.

        The greenlet of the request must outlive the transport, and release it.
        """
        self.started = True
        sock, reader = self.request.socket, self.request.reader
        with contextlib.suppress(OSError):  # the client has gone: the transport finds the same
            write = self._start_response("101 Switching Protocols", list(headers))
            if self._handler is not None:
                self._handler.provided_date = "none"  # the same bytes as on every engine
            write(b"")
        transport = transport_over(sock, self._runtime, native)
        early = b""
        with contextlib.suppress(OSError):  # TLS may have nothing, or the client has gone
            early = reader.peek()
        self.abandon()
        return transport, early

    def release(self) -> None:
        """Watch for the client no more; the request is over."""
        if self._watch is not None:
            self._watch.close()

    def abandon(self) -> None:
        """Let pywsgi end the connection after this request, with nothing more written."""
        reader = self.request.reader
        if self._handler is not None:
            self._handler.close_connection = True
            self._handler.response_use_chunked = False  # else it writes the last chunk
            unread: Any = self._handler.wsgi_input
            unread.content_length = 0  # else it reads what is left of the body
            unread.chunked_input = False
        reader.close()  # pywsgi reads no further request from a closed one

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = Headers(headers)
        fields.extend(self.headers.fields())
        return fields

    def _begin(self, status: int, fields: Headers, body: bytes) -> None:
        self.started = True
        self._has_body = self.request.method != "HEAD" and status not in WITHOUT_BODY
        line = f"{status} {_phrase(status)}"
        self._write = self._start_response(line, list(fields.fields()))
        self._send(body if self._has_body else b"")
        if not self._has_body and self._handler is not None:
            self._handler.response_use_chunked = False  # not even a last chunk

    def _send(self, data: bytes) -> None:
        try:
            self._write(data)
        except OSError as error:
            self._gone()
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    def _hangup_watch(self) -> HangupWatch:
        if self._watch is None:
            self._watch = HangupWatch(self.request.socket, self._runtime.hub, self._gone)
        return self._watch

    def _gone(self) -> None:
        self._disconnected = True
        for waiter in self._waiters:
            waiter.wake()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _unfold(value: str) -> str:
    """Return a field value on one line (RFC 9112 section 5.2)."""
    return " ".join(line.strip() for line in value.splitlines()) if "\n" in value else value


def _fields_of(environ: Environ) -> Iterable[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").title(), value
        elif key in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield key.replace("_", "-").title(), value
