"""What turnout serves while the cases run."""

from __future__ import annotations

from turnout import WebSocketHandlerRegistry, WebSocketSession

registry: WebSocketHandlerRegistry = WebSocketHandlerRegistry()


@registry.websocket("/echo")
async def echo(session: WebSocketSession) -> None:
    """Send every message back."""
    async for message in session:
        await session.send(message)
