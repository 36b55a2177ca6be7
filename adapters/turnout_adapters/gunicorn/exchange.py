"""What gunicorn leaves of a request: its socket, its response, and the bytes it has read ahead.

The same for all of gunicorn's workers that call a WSGI application. Where `start_response` is a
method of gunicorn's own response, that leads to the request as it was sent. Behind a middleware
that wraps it, the environ has to do.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterable, Iterator
from typing import Any, cast

from gunicorn.http.errors import ParseException
from gunicorn.http.wsgi import Response

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConfigurationError, ConnectionClosed, HandshakeRefused
from turnout_adapters.gunicorn.ending import running_worker
from turnout_adapters.wsgi import Environ, StartResponse

__all__ = ["SOCKET", "Exchange", "nothing_more"]

SOCKET = "gunicorn.socket"


class Exchange:
    """One request of gunicorn's and the response to it."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self.environ = environ
        self.socket: Any = environ[SOCKET]
        self._start_response = start_response

    @property
    def target(self) -> str:
        """The request target as sent."""
        return cast("str", self.environ["RAW_URI"])

    @property
    def fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent, but for the case of their names; None if they are lost."""
        response = self._response
        if response is None:
            return None
        return ((name.title(), value) for name, value in response.req.headers)

    @property
    def threads(self) -> int:
        """How many threads the worker has."""
        response, worker = self._response, running_worker()
        if response is not None:
            return cast("int", response.cfg.threads)
        return 1 if worker is None else cast("int", worker.cfg.threads)

    @property
    def _response(self) -> Response | None:
        response = getattr(self._start_response, "__self__", None)
        return response if isinstance(response, Response) else None

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

    def switch(self, head: bytes, headers: list[tuple[str, str]]) -> None:
        """Write the 101 as it is; gunicorn only makes a note of it.

        Raises `OSError` when the client has gone.
        """
        self._start_response("101 Switching Protocols", headers)
        self.socket.sendall(head)


def nothing_more() -> Iterator[bytes]:
    """Raise `BrokenPipeError` when gunicorn asks for the body of a response.

    It takes the client for gone then: it writes nothing, logs the request, closes the connection.
    """
    raise BrokenPipeError(errno.EPIPE, "the connection is not HTTP's any more")
    yield b""  # makes this a generator, which runs when gunicorn is ready for it
