"""The echo that every benchmark measures: each shape of handler in each colour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from turnout import (
    Deflate,
    TextWebSocketHandler,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    broadcast,
)

LARGEST = 64 * 1024 * 1024
OPTIONS = WebSocketOptions(
    max_connections=None, max_text_size=LARGEST, max_binary_size=LARGEST, max_total_size=LARGEST
)


class AsyncEcho(TextWebSocketHandler):
    async def handle_text_message(self, session: Any, message: Any) -> None:
        await session.send(message)

    handle_binary_message = handle_text_message


class PlainEcho(TextWebSocketHandler):
    def handle_text_message(self, session: Any, message: Any) -> None:
        session.send(message)

    handle_binary_message = handle_text_message


async def async_stream(session: Any) -> None:
    async for message in session:
        await session.send(message)


async def partial_echo(session: Any) -> None:
    async for piece in session:
        await session.send(piece)


def plain_stream(session: Any) -> None:
    for message in session:
        session.send(message)


def echo_registry(options: WebSocketOptions) -> WebSocketHandlerRegistry:
    """Return a registry with an echo for each shape and colour."""
    registry = WebSocketHandlerRegistry(options=options)
    registry.add_handler(AsyncEcho(), "/async/callback")
    registry.add_handler(PlainEcho(), "/plain/callback")
    registry.websocket("/async/stream")(async_stream)
    registry.websocket("/plain/stream")(plain_stream)
    registry.websocket("/partial/stream", partial=True)(partial_echo)
    registry.add_handler(WebSocketHandler(), "/idle")

    async def tell_everybody(request: Any, response: Any) -> None:
        reached = broadcast(registry.sessions.values(), request.headers["x-message"])
        await response.send(200, body=str(reached).encode())

    registry.add_http_handler(tell_everybody, "/broadcast")
    return registry


registry = echo_registry(OPTIONS)
deflating = echo_registry(replace(OPTIONS, compression=Deflate()))
