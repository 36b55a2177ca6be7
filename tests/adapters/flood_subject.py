"""Handlers that take large messages and send small ones back."""

from __future__ import annotations

from typing import Any

from turnout import Deflate, Message, WebSocketHandler, WebSocketHandlerRegistry

SMALL = 100


class Taking(WebSocketHandler):
    """Takes what comes as soon as it comes."""

    async def handle_message(self, session: Any, message: Message) -> None:
        """Send it back if it is shorter than those of a flood."""
        if len(message.payload) < SMALL:
            await session.send(message.payload)


class PlainTaking(WebSocketHandler):
    """Does the same without `await`."""

    def handle_message(self, session: Any, message: Message) -> None:
        """Send it back if it is shorter than those of a flood."""
        if len(message.payload) < SMALL:
            session.send(message.payload)


def _registry(**options: Any) -> WebSocketHandlerRegistry:
    made = WebSocketHandlerRegistry()
    for path, handler in (("/async", Taking()), ("/plain", PlainTaking())):
        made.add_handler(handler, path).set_options(**options)
    return made


registry = _registry()
deflating = _registry(compression=Deflate())
