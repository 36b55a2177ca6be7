"""The standard driver inside uvicorn: the class to name as its WebSocket protocol.

uvicorn makes one for each request that asks for a WebSocket and feeds it the request, written down
again. It runs the ASGI application, whatever that is, and answers for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

import h11
from uvicorn.middleware.message_logger import MessageLoggerMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

from turnout.close import NO_CLOSE_FRAME
from turnout.drive import drive
from turnout.errors import ConnectionClosed, HandshakeRefused
from turnout.protocol.connection import StandardConnection
from turnout_adapters.asgi.application import AsgiApplication
from turnout_adapters.uvicorn.answer import AsgiAnswer
from turnout_adapters.uvicorn.foreign import ForeignApplication
from turnout_adapters.uvicorn.scope import RequestHead, websocket_scope
from turnout_adapters.uvicorn.strategy import UvicornStandardStrategy
from turnout_adapters.uvicorn.websocket import AsgiWebSocket
from turnout_adapters.wsproto.exchange import READ_AHEAD, HttpExchange
from turnout_adapters.wsproto.views import H11Request, H11Response
from turnout_compat.asyncio_takeover import Takeover
from turnout_compat.asyncio_transport import AsyncioTransport

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from turnout.service import WebSocketService
    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.types import Scope

__all__ = ["WebSocketProtocol"]

log = logging.getLogger("uvicorn.error")

MAX_HEADER_SIZE = 64 * 1024
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"
LAST_REQUEST = b"%s / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SHUTTING_DOWN = b"The server is shutting down."


class WebSocketProtocol(HttpExchange):
    """uvicorn's side of one WebSocket: in its lists from the request to the end.

    `uvicorn module:app --ws turnout_adapters.uvicorn:WebSocketProtocol`. Handlers of turnout get
    the connection itself (`take_over`); any other application gets ASGI's events.
    """

    strategy = UvicornStandardStrategy()
    """What sessions on connections that are taken over can do."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        super().__init__(_loop or asyncio.get_running_loop(), MAX_HEADER_SIZE)
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._http_version = b"1.1"
        self._head = b""
        self._early = b""
        self._scope: Scope = {}
        self._response: H11Response | None = None
        self._websocket: AsgiWebSocket | None = None
        self._service: WebSocketService | None = None
        self.method = "GET"
        """The method of the request, which a WebSocket scope does not tell."""

    # uvicorn's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter uvicorn's list; its HTTP protocol is still the transport's."""
        super().connection_made(transport)
        http = getattr(self.transport.get_protocol(), "scope", None) or {}
        self._http_version = http.get("http_version", "1.1").encode("ascii")
        self._server_state.connections.add(cast("Any", self))

    def data_received(self, data: bytes) -> None:
        """Take the request, and later what its client sends before it is answered."""
        if not self._head and len(data) <= MAX_HEADER_SIZE:
            # uvicorn has written it down as one of HTTP/1.1 in any case
            self._head = data.replace(b" HTTP/1.1\r\n", b" HTTP/%s\r\n" % self._http_version, 1)
            head = RequestHead.parse(self._head)
            self.expects_body = head.method != b"HEAD"
            self.task = self.start(self._run(self.answer(cast("h11.Request", head))))
        elif self._has_parser or not self._head:
            super().data_received(data)
        else:
            self._early += data
            if len(self._early) > READ_AHEAD:
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave uvicorn's list, and tell the application."""
        self._server_state.connections.discard(cast("Any", self))
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close with 1012, or with 1001 what is turnout's own; refuse a handshake with 503."""
        self._stopping = True
        if self._websocket is not None and self._websocket.is_accepted:
            self._websocket.shut_down()
        elif self._service is not None:
            if not self._service.draining:
                self.start(self._service.drain())
        else:
            if self._response is not None and not self._response.started and not self.gone:
                drive(self._response.send(503, [("Content-Type", "text/plain")], SHUTTING_DOWN))
            self.transport.close()

    # The request

    @property
    def _has_parser(self) -> bool:
        return "_h11" in vars(self)

    def parser(self) -> h11.Connection:
        """Return an h11 that knows the request: only who is refused gets to need one."""
        parser = super().parser()
        if self._head:
            try:
                _feed(parser, self._head + self._early)
            except h11.RemoteProtocolError:  # it asks more of a request than uvicorn: the last one
                parser = super().parser()
                _feed(parser, LAST_REQUEST % self.method.encode("ascii"))
        return parser

    def switch(self, headers: list[tuple[str, str]]) -> tuple[asyncio.Transport, bytes]:
        """Write the 101; return the transport and what came after the request."""
        if self.gone:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.transport.write(SWITCHING + fields.encode("latin-1") + b"\r\n")
        self.transport.resume_reading()  # frames may have come before, and been too many
        return self.transport, self._early

    def _answered(self) -> None:
        if self._has_parser:
            super()._answered()
        else:
            self.task = None

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that uvicorn waits for before it ends."""
        task = self._loop.create_task(coroutine)
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)
        return task

    async def answer(self, event: h11.Request) -> None:
        """Run the application, or refuse a handshake that is none on its behalf."""
        websocket = self._websocket = self._make_websocket(event)
        del event  # what is left of the request now goes when it is answered
        if not self._checks_by_itself():
            try:
                websocket.check()
            except HandshakeRefused as refused:
                await websocket.refuse(refused)
                return
        await websocket.run(self._config.loaded_app)
        if self._service is not None and not self.gone:
            self.transport.abort()  # it failed after its 101, and nobody else will end it

    def _make_websocket(self, event: h11.Request) -> AsgiWebSocket:
        request, self._response = H11Request(self, event), H11Response(self)
        self.method = request.method
        self._scope = websocket_scope(self, request, self._config, self._app_state)
        foreign = ForeignApplication.of(self._config, self._server_state)
        answer = AsgiAnswer(self, request, self._response, self._scope, foreign)
        return AsgiWebSocket(self, answer, self._scope, foreign)

    def _checks_by_itself(self) -> bool:
        """Tell whether the application is one of turnout's, and this request its own."""
        app: Any = self._config.loaded_app
        while isinstance(app, (MessageLoggerMiddleware, ProxyHeadersMiddleware)):
            app = app.app
        return isinstance(app, AsgiApplication) and app.claims(self._scope)

    def next_request(self) -> None:
        """Give the connection back to uvicorn's HTTP: its client may try again."""
        self._server_state.connections.discard(cast("Any", self))
        early, _ = self._h11.trailing_data
        make: Any = self._config.http_protocol_class
        http = make(  # as uvicorn's server makes one
            config=self._config,
            server_state=self._server_state,
            app_state=self._app_state,
            _loop=self._loop,
        )
        http.connection_made(self.transport)
        self.transport.set_protocol(http)
        http.on_response_complete()  # counts the request, and arms its keep-alive timeout
        self.transport.resume_reading()
        if early:
            http.data_received(early)

    # What the application is given

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """What uvicorn adds to every response of the application."""
        return self._server_state.default_headers

    def take_over(self, upgrade: Upgrade) -> StandardConnection:
        """Write the 101 and give the transport to the driver; uvicorn's lists stay as they are."""
        self.log_answer("[accepted]")
        transport, early = self.switch(upgrade.response_headers)
        self._response, self._head, self._early = None, b"", b""
        assert self._websocket is not None
        self._websocket.taken_over()
        connection = StandardConnection(
            AsyncioTransport(transport, self._scope),
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
            early_data=early,
        )
        Takeover(transport, connection)
        if self._writable is not None:
            connection.pause_writing()
        self._service = upgrade.service
        return connection

    def log_answer(self, answer: int | str) -> None:
        """Write the line of the log that uvicorn writes of each handshake."""
        if not log.isEnabledFor(logging.INFO):
            return
        peer, path = get_client_addr(self._scope), get_path_with_query_string(self._scope)  # type: ignore[arg-type]  # a scope of ours
        log.info('%s - "WebSocket %s" %s', peer, path, answer)


def _feed(parser: h11.Connection, data: bytes) -> None:
    parser.receive_data(data)
    parser.next_event()  # the request
    parser.next_event()  # its end, unless a body follows: then it is the last one
