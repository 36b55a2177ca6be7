"""What gunicorn leaves of a request: its socket, its response, and the bytes it has read ahead.

The same for all of gunicorn's workers that call a WSGI application. Where the application, or a
middleware that hands `start_response` on as it is, is called by gunicorn, that is the method of
gunicorn's response, which has the request as it was sent. Else the environ has to do.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, cast

from gunicorn.http.errors import ParseException
from gunicorn.http.wsgi import Response

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConfigurationError, ConnectionClosed, HandshakeRefused
from turnout_adapters.wsgi import Environ, StartResponse

__all__ = ["SOCKET", "Exchange"]

SOCKET = "gunicorn.socket"


class Exchange:
    """One request of gunicorn's and the response to it."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self.environ = environ
        self.socket: Any = environ[SOCKET]
        self._start_response = start_response
        self._response = _response_of(start_response)

    @property
    def target(self) -> str:
        """The request target as sent."""
        return cast("str", self.environ["RAW_URI"])

    @property
    def fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent, but for the case of their names; None if they are lost."""
        if self._response is None:
            return None
        return ((name.title(), value) for name, value in self._response.req.headers)

    def read_body(self, size: int) -> bytes:
        """Return some bytes of the request body, none at its end."""
        try:
            return cast("bytes", self.environ["wsgi.input"].read(size))
        except ParseException as error:
            raise HandshakeRefused(400, body="The request body is malformed.") from error
        except OSError as error:
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    def take_early_bytes(self) -> bytes:
        """Return what was read behind the head of the request.

        Raises `ConfigurationError` where a middleware hides it: nothing may be dropped.
        """
        unreader = getattr(getattr(self.environ["wsgi.input"], "reader", None), "unreader", None)
        if unreader is None:
            raise ConfigurationError(
                "a middleware has replaced wsgi.input: mount turnout in front of it"
            )
        early: bytes = unreader.buf.getvalue()
        unreader.buf = io.BytesIO()
        return early

    def switch(self, headers: list[tuple[str, str]]) -> None:
        """Write the 101 with these header fields and no others.

        Raises `OSError` when the client has gone, `ConfigurationError` where gunicorn cannot be
        kept from writing to the connection later.
        """
        status = "101 Switching Protocols"
        write = self._start_response(status, headers)  # for the access log, and middlewares
        self._response = self._response or _response_of(write)
        if self._response is None:
            raise ConfigurationError(
                "a middleware has replaced start_response: mount turnout in front of it"
            )
        self.leave()
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.socket.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1"))

    def leave(self) -> None:
        """Have gunicorn write nothing more, read nothing more, and close the connection."""
        if self._response is not None:
            response = cast("Any", self._response)
            response.headers_sent = True
            response.chunked = False
            response.force_close()


def _response_of(method: object) -> Response | None:
    owner = getattr(method, "__self__", None)
    return owner if isinstance(owner, Response) else None
