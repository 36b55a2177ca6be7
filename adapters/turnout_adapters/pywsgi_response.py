"""The response to a request on gevent's pywsgi, and the way out of HTTP."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from turnout_adapters.gevent_wsgi import GeventWsgiResponse
from turnout_adapters.pywsgi import PywsgiRequest
from turnout_compat.gevent_tls import transport_over

if TYPE_CHECKING:
    from turnout.strategy import Upgrade
    from turnout_adapters.wsgi import StartResponse
    from turnout_compat.gevent_runtime import GeventRuntime
    from turnout_compat.gevent_transport import GeventTransport

__all__ = ["PywsgiResponse"]


class PywsgiResponse(GeventWsgiResponse[PywsgiRequest]):
    """The response to a request on pywsgi."""

    def __init__(
        self, request: PywsgiRequest, start_response: StartResponse, runtime: GeventRuntime
    ) -> None:
        super().__init__(request, start_response, runtime)
        self._handler = request.handler

    def switch(self, upgrade: Upgrade, native: Any = None) -> tuple[GeventTransport, bytes]:
        """Write the 101; return the transport and what came after the request."""
        self.started = True
        sock, reader = self.request.socket, self.request.reader
        with contextlib.suppress(OSError):  # the client has gone: the transport finds the same
            write = self.start_response("101 Switching Protocols", upgrade.response_headers)
            if self._handler is not None:
                self._handler.provided_date = "none"  # the same bytes as on every engine
            write(b"")
        transport = transport_over(sock, self.runtime, native)
        early = b""
        with contextlib.suppress(OSError):  # TLS may have nothing, or the client has gone
            early = reader.peek()
        self.abandon()
        return transport, early

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

    def begun_without_body(self) -> None:
        """Have pywsgi write not even a last chunk."""
        if self._handler is not None:
            self._handler.response_use_chunked = False
