"""The gevent-websocket engine, for those who run its handler class on pywsgi.

    application = mount(wsgi_app, registry)
    WSGIServer(("", 8080), application, handler_class=application.handler_class).serve_forever()

gevent-websocket 0.10.1 answers 101 before it asks the application, loses close codes, takes
unmasked frames and messages of any size, and cannot send from two greenlets. So on the paths of the
registry its server, its handler and its list of clients stay in place, but the handshake is
turnout's, decided before anything is sent, and the frames are the standard driver's: nothing has to
be declared away. All other paths of the host are gevent-websocket's as before.

`session.native` is a `WebSocket` of gevent-websocket's, also at `environ["wsgi.websocket"]`. Its
methods go through the session: code that was written for it works, and cannot get between frames.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

from gevent.pywsgi import WSGIHandler
from geventwebsocket.exceptions import WebSocketError
from geventwebsocket.handler import Client, WebSocketHandler
from geventwebsocket.websocket import MSG_ALREADY_CLOSED, MSG_SOCKET_DEAD, WebSocket

from turnout.errors import ConnectionClosed, UsageError
from turnout.messages import BinaryMessage, PingMessage, PongMessage, TextMessage
from turnout_adapters.gevent import GeventApplication, GeventStrategy
from turnout_adapters.gevent_wsgi import Upgraded
from turnout_adapters.pywsgi import PywsgiHandler, PywsgiRequest
from turnout_adapters.wsgi import WsgiApplication

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.protocol.connection import StandardConnection
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.session.session import WebSocketSession

__all__ = [
    "GeventWebSocketApplication",
    "GeventWebSocketStrategy",
    "SessionWebSocket",
    "TurnoutWebSocketHandler",
    "mount",
]


class SessionWebSocket(WebSocket):  # type: ignore[misc]  # gevent-websocket is untyped
    """A `WebSocket` of gevent-websocket's that sends and receives through a session of turnout."""

    def __init__(self, environ: dict[str, Any], handler: WSGIHandler) -> None:
        self.connection: StandardConnection
        super().__init__(environ, _NoStream(), handler)

    def __del__(self) -> None:
        """Send nothing; gevent-websocket's sends a close frame from here."""

    @property
    def session(self) -> WebSocketSession:
        """The session whose `native` this is."""
        return self.connection.session

    @property
    def closed(self) -> bool:
        """True once the session is closing."""
        return not self.session.is_open

    @closed.setter
    def closed(self, closed: bool) -> None:
        """Ignore what gevent-websocket's constructor assumes: the session knows."""

    def receive(self) -> str | bytes | None:
        """Return the next message, blocking the greenlet; None when the connection is over."""
        try:
            message = self.session.blocking.receive()
        except ConnectionClosed:
            return None
        return cast("str | bytes", message.payload)

    read_message = receive

    def send(self, message: Any, binary: bool | None = None) -> None:
        """Send a message, as text if it is a `str` and `binary` is not set."""
        if binary is None:
            binary = not isinstance(message, str)
        self.send_frame(message, self.OPCODE_BINARY if binary else self.OPCODE_TEXT)

    def send_frame(self, message: Any, opcode: int) -> None:
        """Send a whole message or a control frame; raise `WebSocketError` when it is closed."""
        if self.closed:
            raise WebSocketError(MSG_ALREADY_CLOSED)
        try:
            self.session.blocking.send(_message_of(message, opcode))
        except ConnectionClosed as error:
            raise WebSocketError(MSG_SOCKET_DEAD) from error

    def close(self, code: int = 1000, message: str | bytes = b"") -> None:
        """Close with code and reason; harmless when repeated."""
        reason = message.decode() if isinstance(message, bytes) else message
        self.session.blocking.close(code, reason)


class _NoStream:
    """Stands where gevent-websocket has the socket, which the standard driver reads and writes."""

    def read(self, size: int) -> bytes:
        raise UsageError("turnout reads this connection: call receive()")

    def write(self, data: bytes) -> None:
        raise UsageError("turnout writes to this connection: call send()")


def _message_of(payload: Any, opcode: int) -> Message:
    if opcode == WebSocket.OPCODE_TEXT:
        return TextMessage(payload if isinstance(payload, str) else bytes(payload).decode())
    data = payload.encode() if isinstance(payload, str) else bytes(payload)
    kinds: dict[int, type[BinaryMessage | PingMessage | PongMessage]] = {
        WebSocket.OPCODE_BINARY: BinaryMessage,
        WebSocket.OPCODE_PING: PingMessage,
        WebSocket.OPCODE_PONG: PongMessage,
    }
    if opcode not in kinds:
        raise UsageError(f"opcode {opcode} is no message: use send(), or close() to close")
    return kinds[opcode](data)


class TurnoutWebSocketHandler(PywsgiHandler, WebSocketHandler):  # type: ignore[misc]  # gevent-websocket is untyped
    """gevent-websocket's handler, which leaves the paths of a registry to turnout.

    `GeventWebSocketApplication.handler_class` is a subclass with the application in it.
    """

    turnout: ClassVar[GeventWebSocketApplication]

    def run_application(self) -> None:
        """Call the application; with gevent-websocket's own handshake only for the host's paths."""
        if self.turnout.takes(PywsgiRequest(cast("dict[str, Any]", self.environ), self)):
            WSGIHandler.run_application(self)
        else:
            super().run_application()

    @property
    def logger(self) -> logging.Logger:
        """The server's logger; gevent-websocket would remake one, and drop its handlers."""
        logger: logging.Logger = getattr(self.server, "logger", None) or log
        return logger


log = logging.getLogger("geventwebsocket")


class GeventWebSocketStrategy(GeventStrategy):
    """The standard driver inside gevent-websocket's handler; see the module."""

    name: ClassVar[str] = "gevent-websocket"
    distribution: ClassVar[str | None] = "gevent-websocket"
    native_handler_class: ClassVar[type[WSGIHandler]] = WebSocketHandler

    def application(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> GeventWebSocketApplication:
        """Return the WSGI application that serves `registry`, and everything else by `app`."""
        return GeventWebSocketApplication(registry, self, app)

    def native_of(self, request: PywsgiRequest) -> SessionWebSocket:
        """Return the `WebSocket`, and put it where gevent-websocket's applications look for it."""
        environ = request.native
        if environ.get("wsgi.websocket") is not None or request.handler is None:
            raise UsageError(
                "gevent-websocket has shaken hands by itself: give the server"
                " handler_class=application.handler_class"
            )
        web_socket = SessionWebSocket(environ, request.handler)
        environ["wsgi.websocket"] = web_socket
        environ["wsgi.websocket_version"] = "13"
        return web_socket

    def run(self, upgraded: Upgraded) -> None:
        """Run a session, on the server's list of clients."""
        web_socket: SessionWebSocket = upgraded.connection.native
        web_socket.connection = upgraded.connection
        with _listed(web_socket):
            super().run(upgraded)


@contextmanager
def _listed(web_socket: SessionWebSocket) -> Iterator[None]:
    """Keep `server.clients` as gevent-websocket does.

    It has a client by its address. On a Unix socket all have the same one: the last stands for
    all, and leaving must not remove another's entry.
    """
    handler = web_socket.handler
    if not hasattr(handler.server, "clients"):
        handler.server.clients = {}
    clients = handler.server.clients
    client = Client(handler.client_address, web_socket)
    clients[client.address] = client
    try:
        yield
    finally:
        if clients.get(client.address) is client:
            del clients[client.address]


class GeventWebSocketApplication(GeventApplication):
    """A WSGI application that needs its `handler_class` in the server that serves it."""

    def _extend(self, handler_class: type[WSGIHandler]) -> type[WSGIHandler]:
        bases = (TurnoutWebSocketHandler, handler_class)
        return cast("type[WSGIHandler]", type(handler_class.__name__, bases, {"turnout": self}))


def mount(
    app: WsgiApplication | None,
    registry: WebSocketHandlerRegistry,
    strategy: GeventWebSocketStrategy | None = None,
) -> GeventWebSocketApplication:
    """Return a WSGI application: `app` with the WebSockets of `registry` in front.

    Give it to a pywsgi server in the place of `app`, and its `handler_class` in the place of
    gevent-websocket's `WebSocketHandler`. The host's own WebSockets go on as they are. The
    request's head is the server's to read, so `handshake_timeout` is refused when it was set.
    """
    registry.options.check_mounted()
    return (strategy or GeventWebSocketStrategy()).application(registry, app)
