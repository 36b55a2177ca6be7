"""The view of a request on gevent's pywsgi, for both engines that run on it.

It stands on the WSGI environ. Where pywsgi's handler can be had, it gives what an environ has
lost: the target and the header fields as they were sent. It can where `start_response` is its own
method, or where it is a `PywsgiHandler`; else, behind a middleware that wraps `start_response`,
they are rebuilt from the environ.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from gevent.pywsgi import WSGIHandler

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed, HandshakeRefused
from turnout.headers import Headers
from turnout.http import ServerHttpRequest
from turnout_compat.gevent_transport import address_of

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = ["PywsgiHandler", "PywsgiRequest", "StartResponse", "handler_of"]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]

HANDLER = "turnout.pywsgi_handler"
PIECE = 64 * 1024


class PywsgiHandler(WSGIHandler):
    """A handler that can be found behind any middleware."""

    def get_environ(self) -> Environ:
        """Return the environ of the request."""
        environ = super().get_environ()
        environ[HANDLER] = weakref.ref(self)  # which holds the environ
        return environ


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


def _unfold(value: str) -> str:
    """Return a field value on one line (RFC 9112 section 5.2)."""
    return " ".join(line.strip() for line in value.splitlines()) if "\n" in value else value


def _fields_of(environ: Environ) -> Iterable[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-").title(), value
        elif key in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield key.replace("_", "-").title(), value
