"""The lifespan of an ASGI server: passed on to the application inside, sessions drained first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnout.service import WebSocketService
    from turnout_adapters.asgi.types import AsgiApp, Event, Receive, Scope, Send

__all__ = ["Lifespan"]


class Lifespan:
    """One run of the lifespan protocol.

    With an application inside, that one answers the server, or raises when it has no lifespan, as
    servers expect. Before it hears of the shutdown, every session is closed.
    """

    def __init__(self, service: WebSocketService, app: AsgiApp | None) -> None:
        self._service = service
        self._app = app

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the lifespan scope until the server shuts down."""

        async def receive_drained() -> Event:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                await self._service.drain()
            return event

        app = answer_lifespan if self._app is None else self._app
        await app(scope, receive_drained, send)


async def answer_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Say that startup and shutdown are complete: an application that has nothing to do there."""
    event = await receive()
    while event["type"] != "lifespan.shutdown":
        await send({"type": f"{event['type']}.complete"})
        event = await receive()
    await send({"type": "lifespan.shutdown.complete"})
