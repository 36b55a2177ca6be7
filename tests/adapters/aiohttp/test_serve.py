"""aiohttp's server for a registry alone, from which a WebSocket takes the whole connection."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from turnout import HandshakeInterceptor, ServerSettings, WebSocketHandlerRegistry, plugins
from turnout_adapters.aiohttp import AiohttpStrategy
from turnout_adapters.aiohttp.server import serve

DEADLINE = 20.0
HANDSHAKE = (
    b"GET /here HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Watching(HandshakeInterceptor):
    """Has a task of its own wait for the end of the request."""

    def __init__(self) -> None:
        self.waiting: asyncio.Task[None] | None = None

    def before_handshake(self, request: Any, response: Any, handler: Any, attributes: Any) -> bool:
        self.waiting = asyncio.ensure_future(response.wait_disconnected())
        return True


def test_who_waits_for_the_end_of_the_request_is_told_when_a_session_begins(variant: str) -> None:
    watching = Watching()
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/here", interceptors=[watching])
    async def echo(session: Any) -> None:
        async for message in session:
            await session.send(message)
        ended.set()

    ended = asyncio.Event()
    strategy = plugins.create("aiohttp", variant)
    assert isinstance(strategy, AiohttpStrategy)

    async def main() -> None:
        listening: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        settings = ServerSettings(port=0, announce=listening.set_result)
        serving = asyncio.create_task(serve(registry, settings, strategy))
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection(*await listening)
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            assert watching.waiting is not None
            await watching.waiting
            writer.write(b"\x81\x82\0\0\0\0hi")
            assert await reader.readexactly(4) == b"\x81\x02hi"
            writer.close()
            await ended.wait()
            signal.raise_signal(signal.SIGTERM)
            await serving

    asyncio.run(main())
