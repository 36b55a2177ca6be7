"""What is served behind the proxy; TRUSTED_PROXIES names whose forwarded headers count."""

from __future__ import annotations

import os
from typing import Any

from turnout import (
    HandshakeInterceptor,
    HandshakeRefused,
    WebSocketHandlerRegistry,
    WebSocketSession,
)

registry = WebSocketHandlerRegistry(trusted_proxies=os.environ["TRUSTED_PROXIES"].split())


@registry.websocket("/async")
async def async_echo(session: WebSocketSession) -> None:
    """Echo; the message `close` closes with 4001."""
    async for message in session:
        if message.payload == "close":
            await session.close(4001, "as you wish")
        else:
            await session.send(message)


@registry.websocket("/plain")
def plain_echo(session: Any) -> None:
    """`async_echo` in the other colour."""
    for message in session:
        if message.payload == "close":
            session.close(4001, "as you wish")
        else:
            session.send(message)


@registry.websocket("/last-word")
async def last_word(session: WebSocketSession) -> None:
    """Keep the peer's close code for `/last-words`."""
    status = await session.wait_closed()
    LAST_WORDS.append(f"{status.code} {status.reason}")


LAST_WORDS: list[str] = []


async def last_words(request: Any, response: Any) -> None:
    """Answer with the codes and reasons that peers have closed with."""
    await response.send(200, [("Content-Type", "text/plain")], "\n".join(LAST_WORDS).encode())


registry.add_http_handler(last_words, "/last-words")


class Refusing(HandshakeInterceptor):
    """Refuses everybody."""

    async def before_handshake(
        self, request: Any, response: Any, handler: Any, attributes: Any
    ) -> None:
        """Refuse with a header and a body."""
        raise HandshakeRefused(401, [("WWW-Authenticate", "Bearer")], "token needed")


registry.websocket("/refused", interceptors=[Refusing()])(last_word)
