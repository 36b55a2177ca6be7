"""Handlers that take large messages and send small ones back."""

from __future__ import annotations

from typing import Any

from turnout import Deflate, Message, WebSocketHandler, WebSocketHandlerRegistry

SMALL = 100


class Taking(WebSocketHandler):
    """Takes what comes as soon as it comes."""

    async def handle_message(self, session: Any, message: Message) -> None:
        """Send it back if it is small."""
        if len(message.payload) < SMALL:
            await session.send(message.payload)


class PlainTaking(WebSocketHandler):
    """Does the same without `await`."""

    def handle_message(self, session: Any, message: Message) -> None:
        """Send it back if it is small."""
        if len(message.payload) < SMALL:
            session.send(message.payload)


registry = WebSocketHandlerRegistry()
registry.add_handler(Taking(), "/async").set_options(compression=Deflate())
registry.add_handler(PlainTaking(), "/plain").set_options(compression=Deflate())
