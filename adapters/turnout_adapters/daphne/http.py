"""daphne's HTTP: what it leaves out before there is a WebSocket, and for slow clients.

It makes a WebSocket of every request with `Upgrade: websocket`, whatever else is wrong with it;
autobahn then answers in words of its own. What is no handshake, or for nobody here, stays a request
of HTTP, where turnout answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web.http import HTTPChannel, _GenericHTTPChannelProtocol
from twisted.web.http_headers import Headers

from turnout_adapters.asgi.handshake import is_handshake
from turnout_compat.daphne_frames import Flow

if TYPE_CHECKING:
    from turnout_adapters.daphne.server import RegistryServer

__all__ = ["CarefulFactory"]


class CarefulRequest(WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request of daphne's that becomes a WebSocket only by a handshake of turnout's."""

    requestHeaders: Any  # noqa: N815  # Twisted's name
    channel: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flow = Flow()

    def process(self) -> Any:
        """Serve the request, which has arrived whole."""
        if self.requestHeaders.hasHeader(b"upgrade"):
            fields = self._fields()
            if self._is_handshake(fields):
                self.server.handshake_fields = fields
                # autobahn has a policy of its own for the one, and refuses what it cannot read of
                # the other.
                self.requestHeaders.removeHeader(b"origin")
                self.requestHeaders.removeHeader(b"sec-websocket-extensions")
            else:
                self.requestHeaders = WithoutUpgrade(dict(self.requestHeaders.getAllRawHeaders()))
        return super().process()

    def handle_reply(self, message: Any) -> None:
        """Write a piece of the answer."""
        if message["type"] == "http.response.start" and self.channel is not None:
            self.registerProducer(self.flow, True)
        super().handle_reply(message)

    def finish(self) -> None:
        """End the answer."""
        self._forget_flow()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802  # Twisted's name
        """Let go on who waits to write."""
        self.flow.stopProducing()
        super().connectionLost(reason)

    def _forget_flow(self) -> None:
        if self.producer is self.flow:
            self.unregisterProducer()

    def _fields(self) -> list[tuple[bytes, bytes]]:
        headers = self.requestHeaders.getAllRawHeaders()
        return [(name.lower(), value) for name, values in headers for value in values]

    def _is_handshake(self, fields: list[tuple[bytes, bytes]]) -> bool:
        scope = {
            "type": "http",
            "method": self.method.decode("ascii"),
            "http_version": self.clientproto.rpartition(b"/")[2].decode("ascii"),
            "raw_path": self.uri.partition(b"?")[0],
            "root_path": self.server.root_path,
            "headers": fields,
        }
        return is_handshake(scope, self.server.registry)


class WithoutUpgrade(Headers):
    """Headers that have an `Upgrade` for whoever lists them, and none for whoever asks for it."""

    def hasHeader(self, name: Any) -> bool:  # noqa: N802  # Twisted's name
        """Tell whether there is a field of that name."""
        return name.lower() != b"upgrade" and super().hasHeader(name)


class CarefulChannel(HTTPChannel):
    """A connection of HTTP/1: the head of a request has its time as a whole, not byte by byte."""

    line_mode: Any

    def resetTimeout(self) -> None:  # noqa: N802  # Twisted's name
        """Begin the time anew, for another piece of a body only."""
        if not self.line_mode:
            super().resetTimeout()  # type: ignore[no-untyped-call]  # Twisted's are not typed

    def setRawMode(self) -> None:  # noqa: N802  # Twisted's name
        """Go on to the body."""
        super().setRawMode()  # type: ignore[no-untyped-call]  # Twisted's are not typed
        self.resetTimeout()


class CarefulFactory(HTTPFactory):  # type: ignore[misc]  # daphne ships no types
    """Makes the connections of one server; the head of a request has `timeout` seconds."""

    def protocol(self) -> Any:
        """Return what becomes HTTP/1 or HTTP/2, as TLS negotiates."""
        wrapper: Any = _GenericHTTPChannelProtocol
        untyped: Any = CarefulChannel
        return wrapper(untyped())

    def __init__(self, server: RegistryServer, timeout: float | None) -> None:
        super().__init__(server)
        self.timeOut = timeout

    def log(self, request: Any) -> None:
        """Write no line: daphne has a log of its own, and this one shows queries."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  # Twisted's name
        """Return a connection."""
        protocol: Any = super().buildProtocol(addr)
        protocol.requestFactory = CarefulRequest
        return protocol
