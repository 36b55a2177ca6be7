"""daphne's own server for a registry alone: listening, and an orderly end."""

from __future__ import annotations

import asyncio
import math
import socket
from typing import TYPE_CHECKING, Any, cast

from daphne.server import Server  # makes asyncio's loop the reactor's: before any other of Twisted
from twisted.internet import reactor as twisted_reactor
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.logger import STDLibLogObserver, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory

from turnout_adapters.asgi import AsgiApplication
from turnout_adapters.daphne.http import CarefulFactory
from turnout_compat.asgi_frames import offer_frames
from turnout_compat.asyncio_serving import termination
from turnout_compat.asyncio_transport import tls_context
from turnout_compat.daphne_frames import GuardedProtocol
from turnout_compat.listening import address_of_socket, listening

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings
    from turnout_adapters.asgi.types import Receive, Scope, Send
    from turnout_adapters.daphne.strategy import DaphneStrategy

__all__ = ["serve"]

reactor: Any = twisted_reactor


def serve(
    registry: WebSocketHandlerRegistry, settings: ServerSettings, strategy: DaphneStrategy
) -> None:
    """Serve until SIGINT or SIGTERM, then drain."""
    tls_context(settings)  # raises for bad files, in the words of every engine
    app = AsgiApplication(registry, strategy)
    with listening(settings) as sockets:
        server = RegistryServer(app, settings, sockets, strategy.native_settings)
        server.run()
        server.result()


class RegistryServer(Server):  # type: ignore[misc]  # daphne ships no types
    """A daphne that listens on sockets which are bound, guards its WebSockets, and drains."""

    ws_factory: Any
    http_factory: Any
    connections: dict[Any, dict[str, Any]]

    def __init__(
        self,
        app: AsgiApplication,
        settings: ServerSettings,
        sockets: list[socket.socket],
        native: dict[str, Any],
    ) -> None:
        self._app = app
        self._settings = settings
        self._sockets = sockets
        self.registry = app.service.registry
        self._options = self.registry.options
        self._main: asyncio.Task[None] | None = None
        self.handshake_fields: list[tuple[bytes, bytes]] = []
        """The fields of the request that is becoming a WebSocket right now."""
        never: Any = math.inf  # seconds, which daphne compares only: its defaults are integers
        super().__init__(
            self._answer,
            endpoints=["none"],  # daphne exits without any; the sockets take their place
            signal_handlers=False,
            ready_callable=self._ready,
            server_name="",
            ping_interval=never,
            websocket_timeout=-1,
            websocket_connect_timeout=never,
            websocket_handshake_timeout=0,
            application_close_timeout=never,
            **native,
        )
        self.endpoints: list[str] = []

    def result(self) -> None:
        """Raise what serving has raised."""
        if self._main is not None:
            self._main.result()

    def create_application(self, protocol: Any, scope: Any) -> Any:
        """Complete the scope of a WebSocket, which daphne leaves without half of it."""
        if scope["type"] == "websocket":
            scope["http_version"] = "1.1"
            scope["headers"] = self.handshake_fields
            scope["scheme"] = "ws" if self._settings.tls_cert is None else "wss"
            scope["raw_path"] = protocol.http_request_uri.partition("?")[0].encode("latin-1")
            scope["extensions"] = {"websocket.http.response": {}}
            offer_frames(scope, protocol.frames)
            scope["turnout.receive"] = protocol.receive
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Pass on what the application sends; return when more may be written."""
        await super().handle_reply(protocol, message)
        await protocol.flow.wait()

    def kill_all_applications(self) -> Any:
        """Cancel what still runs; daphne fails on connections that have not got so far."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
        return super().kill_all_applications()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, scope.pop("turnout.receive", receive), send)

    def _ready(self) -> None:
        # daphne would drop what Twisted has to say, or put standard output into the log as well.
        globalLogPublisher.addObserver(cast("Any", STDLibLogObserver("daphne.server")))
        self.http_factory = CarefulFactory(self, self._options.handshake_timeout)
        self.ws_factory.protocol = GuardedProtocol
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            closeHandshakeTimeout=0,
            maxFramePayloadSize=0,  # daphne has settings for these two since 4.2
            maxMessagePayloadSize=0,
        )
        reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        self._main = asyncio.ensure_future(self._serve())
        self._main.add_done_callback(lambda _: reactor.stop())

    async def _serve(self) -> None:
        async with termination() as asked:
            factory = self._with_tls(self.http_factory)
            ports = [reactor.adoptStreamPort(s.fileno(), s.family, factory) for s in self._sockets]
            self._settings.announce(address_of_socket(self._sockets[0]))
            await asked.wait()
            loop = asyncio.get_running_loop()
            for stopped in [port.stopListening() for port in ports]:
                await stopped.asFuture(loop)  # else clients still get in when sessions are told
            for one in self._sockets:
                one.close()
            await self._app.service.drain()
            await self._end(self._options.close_timeout)

    def _with_tls(self, factory: Any) -> Any:
        settings = self._settings
        if settings.tls_cert is None:
            return factory
        key = str(settings.tls_key or settings.tls_cert)
        untyped: Any = DefaultOpenSSLContextFactory
        context = untyped(key, str(settings.tls_cert))
        return TLSMemoryBIOFactory(context, isClient=False, wrappedFactory=factory)

    async def _end(self, timeout: float) -> None:
        """Let running requests end; what is left is killed when the reactor stops."""
        running = [
            one["application_instance"]
            for one in self.connections.values()
            if "application_instance" in one
        ]
        if running:
            await asyncio.wait(running, timeout=timeout)
