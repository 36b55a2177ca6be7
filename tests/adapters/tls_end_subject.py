"""Handlers that take their messages when a gate is open, and tell how their connection ended."""

from __future__ import annotations

from typing import Any

import turnout
from turnout import (
    BlockingSession,
    CloseStatus,
    Deflate,
    Message,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketSession,
    blocking,
)
from turnout.testing.subject.async_actions import act
from turnout.testing.subject.facts import gate_is_open, record_end
from turnout.testing.subject.recorder import record, token_of

registry = WebSocketHandlerRegistry()
registry.websocket("/act")(act)
OPTIONS: dict[str, Any] = {"compression": Deflate(threshold=0), "receive_buffer": 65536}


class Gated(WebSocketHandler):
    """Waits in its first message until the gate is open."""

    async def handle_message(self, session: WebSocketSession, message: Message) -> None:
        """Wait."""
        record(session.uri, "message")
        while not gate_is_open(token_of(session.uri)):
            await turnout.sleep(0.01)

    async def handle_transport_error(self, session: WebSocketSession, error: Exception) -> None:
        """Tell of the error."""
        record_end(session, "transport error", error=repr(error))

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        """Tell of the end."""
        record_end(session, "ended")


class PlainGated(WebSocketHandler):
    """Does the same without `await`."""

    def handle_message(self, session: BlockingSession, message: Message) -> None:
        """Wait."""
        record(session.uri, "message")
        while not gate_is_open(token_of(session.uri)):
            blocking.sleep(0.01)

    def handle_transport_error(self, session: BlockingSession, error: Exception) -> None:
        """Tell of the error."""
        record_end(session, "transport error", error=repr(error))

    def after_connection_closed(self, session: BlockingSession, status: CloseStatus) -> None:
        """Tell of the end."""
        record_end(session, "ended")


registry.add_handler(Gated(), "/async").set_options(**OPTIONS)
registry.add_handler(PlainGated(), "/plain").set_options(**OPTIONS)
