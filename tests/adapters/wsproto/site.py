"""A small site on the standard engine, and a client of it that says any bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from turnout import Headers, ServerSettings, WebSocketHandlerRegistry, WebSocketOptions
from turnout_adapters.wsproto import RunningServer, start

DEADLINE = 10.0
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
)


@dataclass
class Response:
    """One response as it stood on the wire."""

    status: int
    headers: Headers
    body: bytes


class Peer:
    """A client that says bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: str | bytes) -> None:
        """Send bytes."""
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)
        await self.writer.drain()

    async def read(self, *, body: bool = True) -> Response:
        """Read one response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = Headers([tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]  # pairs
        length = int(headers.get("content-length", "0")) if body else 0
        return Response(int(first.split()[1]), headers, await self.reader.readexactly(length))

    async def ask(self, text: str) -> Response:
        """Send bytes and read one response."""
        await self.say(text)
        return await self.read()

    async def rest(self) -> bytes:
        """Read until the server ends the connection; a reset is an error."""
        return await self.reader.read()


class Site:
    """A registry with a few pages."""

    def __init__(self, **options: Any) -> None:
        self.registry = WebSocketHandlerRegistry(options=WebSocketOptions(**options))
        self.seen: list[str] = []
        self.server: RunningServer
        self.registry.add_http_handler(self.page, "/", "/page")
        self.registry.add_http_handler(self.body, "/body")
        self.registry.websocket("/echo")(echo)

    async def page(self, request: Any, response: Any) -> None:
        """Say what was asked for."""
        self.seen.append(f"{request.method} {request.uri}")
        await response.send(200, [("Content-Type", "text/plain")], request.target.encode())

    async def body(self, request: Any, response: Any) -> None:
        """Say what was sent."""
        self.seen.append(f"{request.method} {request.uri}")
        await response.send(200, (), await request.read_body(1 << 20))

    def run(self, client: Callable[[Peer], Awaitable[None]]) -> None:
        """Serve while a client talks, within the deadline; nothing may be left of it."""

        async def main() -> None:
            async with asyncio.timeout(DEADLINE):
                self.server = await start(self.registry, ServerSettings(port=0))
                assert isinstance(self.server.address, tuple)
                reader, writer = await asyncio.open_connection(*self.server.address)
                try:
                    await client(Peer(reader, writer))
                finally:
                    writer.close()
                    await self.server.stop()

        asyncio.run(main())


async def echo(session: Any) -> None:
    """Send back what comes."""
    async for message in session:
        await session.send(message)
