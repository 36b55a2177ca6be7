"""The response to a request on gevent's pywsgi, and the way out of HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed
from turnout.headers import Headers
from turnout.http import ServerHttpResponse
from turnout_compat.gevent_hangup import GeventHangupWatch
from turnout_compat.gevent_tls import transport_over

if TYPE_CHECKING:
    from turnout.headers import HeadersLike
    from turnout.protocol.connection import StandardConnection
    from turnout.runtime import Waiter
    from turnout.strategy import Upgrade
    from turnout_adapters.pywsgi import PywsgiRequest, StartResponse
    from turnout_compat.gevent_runtime import GeventRuntime
    from turnout_compat.gevent_transport import GeventTransport

__all__ = ["PywsgiResponse", "Upgraded"]

WITHOUT_BODY = frozenset({204, 304})


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
        self._watch: GeventHangupWatch | None = None
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

    def _hangup_watch(self) -> GeventHangupWatch:
        if self._watch is None:
            self._watch = GeventHangupWatch(self.request.socket, self._runtime.hub, self._gone)
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
