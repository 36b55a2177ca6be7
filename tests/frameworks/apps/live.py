"""The handlers that are mounted in every framework, and what they note in the file NOTES."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from turnout import (
    CloseStatus,
    HttpSessionHandshakeInterceptor,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketSession,
)
from turnout.handshake.http_session import SessionSource

OPTIONS = WebSocketOptions(close_timeout=3)

registry = WebSocketHandlerRegistry(options=OPTIONS)
"""Mounted in front of a whole application."""

below = WebSocketHandlerRegistry(options=OPTIONS)
"""Mounted by the framework's own means, under `/below`."""


def note(line: str) -> None:
    """Write down what happened, for the test to read when the server has ended."""
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{line}\n")


class Echo(TextWebSocketHandler):
    """Sends everything back."""

    async def after_connection_established(self, session: WebSocketSession) -> None:
        note("opened")

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        await session.send(message)

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        note(f"closed {status.code}")


registry.add_handler(Echo(), "/echo")
below.add_handler(Echo(), "/echo", "/rooms/{room}")


@registry.websocket("/plain")
def plain(session: Any) -> None:
    """Send everything back, in plain code."""
    for message in session:
        session.send(message)


async def tell_user(session: WebSocketSession) -> None:
    """Send what the handshake has found in the HTTP session, and the user that the host knows."""
    name = None if session.principal is None else session.principal.name
    await session.send(json.dumps([session.attributes.get("user"), name]))


def serve_user(source: SessionSource, where: WebSocketHandlerRegistry = registry) -> None:
    """Register `/user`, with a framework's HTTP sessions."""
    interceptor = HttpSessionHandshakeInterceptor(["user"], source=source)
    where.websocket("/user", interceptors=[interceptor])(tell_user)
