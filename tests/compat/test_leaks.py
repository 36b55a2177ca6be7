"""After many connections nothing of them is left: no session, task, thread, timer or socket."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from turnout import (
    HandshakeInterceptor,
    PerConnectionWebSocketHandler,
    ServerSettings,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketService,
    broadcast,
)
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout.session.blocking import BlockingSession
from turnout.session.connection import Connection
from turnout.session.session import WebSocketSession
from turnout.testing.frames import CLOSE, TEXT, encode_frame
from turnout_adapters.wsproto import RunningServer, start
from turnout_adapters.wsproto.http import HttpConnection

DEADLINE = 50.0
BELONGS_TO_A_CONNECTION = (
    WebSocketSession,
    BlockingSession,
    Connection,
    HttpConnection,
    ServerHttpRequest,
    ServerHttpResponse,
)
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Notes(HandshakeInterceptor):
    """Keeps nothing alive of what it sees."""

    def __init__(self) -> None:
        self.requests: weakref.WeakSet[Any] = weakref.WeakSet()

    def before_handshake(self, request: Any, *arguments: Any) -> None:
        """Note the request."""
        self.requests.add(request)


class Upper(TextWebSocketHandler):
    """Waits now and then."""

    async def handle_text_message(self, session: Any, message: TextMessage) -> None:
        await asyncio.sleep(0)
        await session.send(message.payload.upper())


def make_registry() -> WebSocketHandlerRegistry:
    """Return handlers of every kind, with every timer running."""
    options = WebSocketOptions(idle_timeout=100.0, ping_interval=100.0, close_timeout=5.0)
    registry = WebSocketHandlerRegistry(options=options)

    @registry.websocket("/stream")
    async def stream(session: Any) -> None:
        async for message in session:
            await session.send(message.payload.upper())

    @registry.websocket("/thread")
    def thread(session: Any) -> None:
        for message in session:
            session.send(message.payload.upper())

    @registry.websocket("/greenlet", bridge="greenlet")
    def greenlet(session: Any) -> None:
        for message in session:
            session.send(message.payload.upper())

    @registry.websocket("/broadcast")
    async def to_itself(session: Any) -> None:
        async for message in session:
            broadcast([session], message.payload.upper())

    @registry.websocket("/raises")
    async def raises(session: Any) -> None:
        await session.send((await session.receive()).payload.upper())
        await session.receive()
        raise ValueError

    registry.add_handler(Upper(), "/callback", interceptors=[Notes()])
    registry.add_handler(PerConnectionWebSocketHandler(Upper), "/own")
    return registry


async def connect(server: RunningServer, path: str, number: int) -> None:
    """Make one connection, say a word, and leave in one of several ways."""
    assert isinstance(server.address, tuple)
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        writer.write(HANDSHAKE.format(path=path).encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(encode_frame(TEXT, b"word"))
        assert await reader.readexactly(6) == b"\x81\x04WORD"
        if number % 3 == 0:
            writer.write(encode_frame(CLOSE, b"\x03\xe8"))
            await reader.read()
        elif number % 3 == 1:
            writer.write(b"\x81\x01x")  # not masked
            await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def left_over() -> list[Any]:
    """Return the objects that belong to connections; the rest of what there is does not matter."""
    gc.collect()
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, BELONGS_TO_A_CONNECTION)]


def is_of_a_session(thread: threading.Thread) -> bool:
    """Tell the threads of handlers, named after their sessions, from the one for all timers."""
    return thread.name.startswith("turnout-") and thread.name != "turnout-timers"


@pytest.mark.parametrize(
    "path", ["/stream", "/callback", "/own", "/thread", "/greenlet", "/broadcast", "/raises"]
)
def test_nothing_is_left_of_closed_connections(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """1,000 in all; each leaves by a close frame, by a violation, or by just going."""
    caplog.set_level("CRITICAL")  # records keep tracebacks
    before = {id(thing) for thing in left_over()}

    async def main() -> None:
        registry = make_registry()
        server = await start(registry, ServerSettings(port=0))
        mine = asyncio.all_tasks()
        async with asyncio.timeout(DEADLINE):
            for first in range(0, 143, 13):
                await asyncio.gather(*(connect(server, path, first + n) for n in range(13)))
            while len(server.service) or asyncio.all_tasks() != mine:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.005)
            assert not registry.sessions
            left = [thing for thing in left_over() if id(thing) not in before]
            assert left == []
            assert not [one for one in threading.enumerate() if is_of_a_session(one)]
            await server.stop()

    asyncio.run(main())


WAYS = ("a close frame", "a violation", "just going")


@pytest.mark.parametrize("way", WAYS)
def test_no_garbage_is_left_of_a_connection(way: str) -> None:
    """What refers to itself stands in memory until the collector comes by, and makes it come."""
    gone: asyncio.Event

    class Watched(TextWebSocketHandler):
        async def after_connection_established(self, session: Any) -> None:
            loop = asyncio.get_running_loop()
            weakref.finalize(session, loop.call_soon, gone.set)

        async def handle_text_message(self, session: Any, message: TextMessage) -> None:
            await session.send(message.payload.upper())

    async def main() -> None:
        nonlocal gone
        gone = asyncio.Event()
        options = WebSocketOptions(idle_timeout=100.0, ping_interval=100.0)
        registry = WebSocketHandlerRegistry(options=options)
        registry.add_handler(Watched(), "/")
        server = await start(registry, ServerSettings(port=0))
        gc.disable()
        try:
            async with asyncio.timeout(DEADLINE):
                await connect(server, "/", WAYS.index(way))
                await gone.wait()
        finally:
            gc.enable()
            await server.stop()

    asyncio.run(main())


def test_a_server_that_was_stopped_is_not_kept_by_its_registry() -> None:
    """A registry may be served again and again, as tests do."""
    registry = make_registry()
    services: weakref.WeakSet[WebSocketService] = weakref.WeakSet()

    async def main() -> None:
        server = await start(registry, ServerSettings(port=0))
        services.add(server.service)
        await connect(server, "/stream", 0)
        await server.stop()

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert len(services) == 0
