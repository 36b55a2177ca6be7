"""The view of a request on gevent's pywsgi, for all engines that run on it.

Where pywsgi's handler can be had, it gives what an environ has lost: the target and the header
fields as they were sent. It can where `start_response` is its own method, or where it is a
`PywsgiHandler`; else, behind a middleware that wraps `start_response`, they are rebuilt from the
environ.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from gevent.pywsgi import WSGIHandler

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed, HandshakeRefused
from turnout_adapters.gevent_wsgi import GeventWsgiRequest
from turnout_adapters.wsgi import Environ, StartResponse
from turnout_compat.gevent_head import strict_headers
from turnout_compat.socket_transport import address_from, address_of

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = ["PywsgiHandler", "PywsgiRequest", "handler_of"]

HANDLER = "turnout.pywsgi_handler"


class PywsgiHandler(WSGIHandler):
    """A handler that can be found behind any middleware, and refuses what is no head of HTTP."""

    MessageClass = staticmethod(strict_headers)  # type: ignore[assignment]  # no method, but called

    def handle(self) -> None:
        """Answer requests; pywsgi lets out that the client of one that it refuses has gone."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def _handle_client_error(self, ex: Exception) -> Any:
        """Refuse what is no request; there is nobody to refuse when its client has gone."""
        if isinstance(ex, ConnectionError):
            return None
        return super()._handle_client_error(ex)  # type: ignore[misc]  # gevent documents it, but has no type for it

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


class PywsgiRequest(GeventWsgiRequest):
    """A request that pywsgi has read."""

    def __init__(self, environ: Environ, handler: WSGIHandler | None) -> None:
        super().__init__(environ)
        self.handler = handler

    @property
    def sent_target(self) -> str | None:
        """The request target as sent."""
        return None if self.handler is None else cast("str", self.handler.path)

    @property
    def sent_fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent."""
        if self.handler is None:
            return None
        return ((name, _unfold(value)) for name, value in self.handler.headers.items())

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        if self.handler is not None:
            return address_of(self.handler.client_address)
        return super().remote_address

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_from(self.socket.getsockname)

    @property
    def reader(self) -> Any:
        """The buffered reader that pywsgi has read the request from."""
        source = self.native["wsgi.input"]
        return getattr(source, "rfile", source)

    @property
    def socket(self) -> Any:
        """The gevent socket of the connection."""
        return self.reader.raw._sock  # noqa: SLF001  # a SocketIO has no public way to it

    def read_piece(self, size: int, taken: int) -> bytes:
        """Return some bytes of the body, none at its end."""
        try:
            if self.handler is not None:
                return cast("bytes", cast("Any", self.handler).wsgi_input.read(size))
            return super().read_piece(size, taken)
        except OSError as error:
            if isinstance(error.errno, int):  # the system's; else pywsgi complains about chunks
                raise ConnectionClosed(NO_CLOSE_FRAME) from error
            raise HandshakeRefused(400, body="The request body is malformed.") from error


def _unfold(value: str) -> str:
    """Return a field value on one line (RFC 9112 section 5.2)."""
    return " ".join(line.strip() for line in value.splitlines()) if "\n" in value else value
