"""Handlers that try to send text which has no UTF-8, then go on."""

from __future__ import annotations

from typing import Any

from turnout import TextMessage, WebSocketHandlerRegistry

LONE = "text with \ud800 in it"

registry = WebSocketHandlerRegistry()


@registry.websocket("/async")
async def unsendable(session: Any) -> None:
    """Send `LONE` for each message, whole and as a first piece."""
    async for _ in session:
        refused = 0
        for message in (LONE, TextMessage(LONE, is_last=False)):
            try:
                await session.send(message)
            except UnicodeEncodeError:
                refused += 1
        await session.send(f"{refused} refused")


@registry.websocket("/plain")
def plain_unsendable(session: Any) -> None:
    """Do the same without `await`."""
    for _ in session:
        refused = 0
        for message in (LONE, TextMessage(LONE, is_last=False)):
            try:
                session.send(message)
            except UnicodeEncodeError:
                refused += 1
        session.send(f"{refused} refused")
