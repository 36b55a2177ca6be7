"""How granian lets go of a connection, so that turnout's own driver can have it.

granian answers a WebSocket with any status and fields that an application gives by ASGI's denial of
a handshake: also with 101. hyper then hands the connection over to whoever waits for it. Nobody
does, so it is dropped, and goes on behind a copy of its socket that turnout has made before.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed
from turnout.protocol.connection import StandardConnection
from turnout_adapters.asgi import AsgiApplication
from turnout_compat.asyncio_takeover import Takeover
from turnout_compat.asyncio_transport import AsyncioTransport
from turnout_compat.granian_sockets import HeldConnection, hold

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from turnout.registry import WebSocketHandlerRegistry
    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse
    from turnout_adapters.asgi.strategy import AsgiStrategy
    from turnout_adapters.asgi.types import Event, Receive, Scope, Send

__all__ = ["HandingApplication", "Handover", "handover_of"]

EXTENSION: Final = "turnout.handover"


class HandingApplication(AsgiApplication):
    """An application that granian may forget about while its sessions go on.

    What refers to granian's events keeps a connection open; this does not beyond their use.
    """

    def __init__(self, registry: WebSocketHandlerRegistry, strategy: AsgiStrategy) -> None:
        super().__init__(registry, strategy)
        self._answering: set[asyncio.Task[None]] = set()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await super()._answer(scope, receive, send)
            return
        handover = Handover(receive, send)
        # granian has one dictionary of extensions for all scopes.
        scope["extensions"] = {**(scope.get("extensions") or {}), EXTENSION: handover}
        answering = asyncio.create_task(super()._answer(scope, handover.receive, handover.send))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        try:
            await asyncio.wait([answering, handover.released], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not handover.released.done():
                answering.cancel()
            raise
        finally:
            handover.forget()
        if answering.done():
            answering.result()


class Handover:
    """One WebSocket of granian's, which holds its connection for as long as this is referred to."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._calls: tuple[Receive, Send] | None = (receive, send)
        self.since: float = time.monotonic()
        self.released: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(self) -> Awaitable[Event]:
        """Return granian's future of its next event."""
        return _receive_end() if self._calls is None else self._calls[0]()

    def send(self, event: Event) -> Awaitable[None]:
        """Hand an event to granian; raise `ConnectionClosed` where it has let go.

        For a message, return granian's future, by which it does not say that the client has gone
        in a way of its own: whatever that raises means it.
        """
        if self._calls is None:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        send = self._calls[1]
        return send(event) if event["type"] == "websocket.send" else self._settle(send(event))

    async def _settle(self, begun: Awaitable[None]) -> None:
        try:
            await begun
        except RuntimeError as error:  # what granian says of a client that has gone
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    def forget(self) -> None:
        """Refer to nothing of granian's, which then lets go."""
        self._calls = None

    async def take_over(
        self, request: AsgiRequest, response: AsgiResponse, upgrade: Upgrade
    ) -> None:
        """Have the 101 written, and run a session; raise `ConnectionClosed` if that cannot be."""
        held = hold(request.local_address, request.remote_address, self.since)
        if held is None:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        try:
            await response.switch(upgrade.response_headers)
            await request.receiver.release()
            self.released.set_result(None)
            await held.until_released()
            transport = await _transport_of(held)
        except BaseException:
            held.socket.close()
            raise
        connection = StandardConnection(
            AsyncioTransport(transport, request.native),
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
        )
        Takeover(transport, connection)
        transport.resume_reading()
        await upgrade.run(connection)


async def _receive_end() -> Event:
    return {"type": "websocket.disconnect", "code": NO_CLOSE_FRAME.code}


def handover_of(scope: Scope) -> Handover | None:
    """Return what lets a connection go, or None where granian is not to."""
    found: Any = (scope.get("extensions") or {}).get(EXTENSION)
    return found if isinstance(found, Handover) else None


class _Waiting(asyncio.Protocol):
    """Leaves what comes to the driver, which is not there yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()


async def _transport_of(held: HeldConnection) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(_Waiting, held.socket)
    return transport
