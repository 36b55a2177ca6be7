"""What the command line of uvicorn serves: a registry in front of Starlette."""

from __future__ import annotations

from tests.adapters.uvicorn.applications import Endpoints, starlette_application

from turnout import WebSocketHandlerRegistry, WebSocketSession
from turnout_adapters.asgi import mount

registry = WebSocketHandlerRegistry()


@registry.websocket("/live")
async def live(session: WebSocketSession) -> None:
    async for message in session:
        await session.send(message)


app = mount(starlette_application(Endpoints()), registry)
