"""A stream that is stepped where its messages arrive behaves as if its task had awaited them."""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.still_loop import StillLoop, StillTransport
from websockets.asyncio.client import ClientConnection, connect

from turnout import (
    ConnectionClosed,
    ServerSettings,
    StreamWebSocketHandler,
    UsageError,
    WebSocketHandlerRegistry,
)
from turnout.service import WebSocketService
from turnout.testing.frames import TEXT, encode_frame
from turnout_adapters.wsproto import start
from turnout_adapters.wsproto.http import HttpConnection
from turnout_adapters.wsproto.strategy import WsprotoStrategy
from turnout_compat.asyncio_runtime import AsyncioRuntime

DEADLINE = 5.0
CLOSE_TIMEOUT = 0.05
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

Stream = Callable[[Any], Awaitable[object]]


class Recording(StreamWebSocketHandler):
    """Runs one stream and remembers how it ended."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.outcome: object = None
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handle(self, session: Any) -> None:
        try:
            await self.stream(session)
        except BaseException as error:
            self.outcome = type(error)
            raise
        self.outcome = "ended"

    async def after_connection_closed(self, session: Any, status: Any) -> None:
        self.closed.set_result(status.code)


def run(stream: Stream, talk: Callable[[ClientConnection], Awaitable[object]]) -> Recording:
    """Serve the stream, let a client talk to it, and return what happened."""

    async def main() -> Recording:
        registry = WebSocketHandlerRegistry()
        handler = Recording(stream)
        registry.add_handler(handler, "/").set_options(close_timeout=CLOSE_TIMEOUT)
        server = await start(registry, ServerSettings(port=0))
        assert isinstance(server.address, tuple)
        url = f"ws://{server.address[0]}:{server.address[1]}/"
        async with asyncio.timeout(DEADLINE):
            async with connect(url, compression=None) as client:
                await talk(client)
            await handler.closed
            await server.stop()
        return handler

    return asyncio.run(main())


async def ask(client: ClientConnection, text: str) -> object:
    """Send a text and return the answer."""
    await client.send(text)
    return await client.recv()


def test_task_and_context_are_the_same_throughout() -> None:
    tasks, seen = set(), []

    async def stream(session: Any) -> None:
        tasks.add(asyncio.current_task())
        async for message in session:
            tasks.add(asyncio.current_task())
            variable.set(variable.get() + 1)
            if message.payload == "suspend":
                await asyncio.sleep(0)
                tasks.add(asyncio.current_task())
            seen.append(variable.get())
            await session.send(message)

    async def talk(client: ClientConnection) -> None:
        for text in ("at once", "suspend", "at once"):
            assert await ask(client, text) == text
        assert variable.get() == 0

    assert run(stream, talk).outcome == "ended"
    assert len(tasks) == 1
    assert None not in tasks
    assert seen == [1, 2, 3]


def test_a_stream_goes_on_where_its_message_arrives() -> None:
    callers: list[set[str]] = []

    async def stream(session: Any) -> None:
        async for message in session:
            callers.append({frame.name for frame in traceback.extract_stack()})
            await session.send(message)

    async def talk(client: ClientConnection) -> None:
        assert await ask(client, "x") == "x"
        assert await ask(client, "y") == "y"

    run(stream, talk)
    assert all("data_received" in names for names in callers[1:])


def test_a_timeout_interrupts_the_wait_for_a_message() -> None:
    async def stream(session: Any) -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await session.receive()
            await session.send("timed out")
            async with asyncio.timeout(DEADLINE):
                await session.send(await session.receive())

    async def talk(client: ClientConnection) -> None:
        for text in ("first", "second"):
            assert await client.recv() == "timed out"
            assert await ask(client, text) == text

    handler = run(stream, talk)
    assert handler.outcome == "ended"
    assert handler.closed.result() == 1000


def test_messages_may_be_received_in_other_tasks() -> None:
    async def stream(session: Any) -> None:
        await session.send(await asyncio.create_task(session.receive()))
        await session.send(await asyncio.wait_for(session.receive(), DEADLINE))
        await session.send(await session.receive())

    async def talk(client: ClientConnection) -> None:
        for text in ("a task", "wait_for", "the stream itself"):
            assert await ask(client, text) == text

    assert run(stream, talk).outcome == "ended"


@pytest.mark.parametrize("own_first", [False, True])
def test_two_that_receive_are_told(own_first: bool) -> None:
    async def be_told(session: Any) -> None:
        with pytest.raises(UsageError, match="two tasks receive"):
            await session.receive()
        await session.send("told")

    async def stream(session: Any) -> None:
        if own_first:
            other = asyncio.create_task(be_told(session))
            await session.send(await session.receive())
            await other
        else:
            receiving = asyncio.create_task(session.receive())
            await asyncio.sleep(0)  # now it is waiting
            await be_told(session)
            await session.send(await receiving)

    async def talk(client: ClientConnection) -> None:
        assert await client.recv() == "told"
        assert await ask(client, "x") == "x"

    assert run(stream, talk).outcome == "ended"


def test_messages_behind_a_suspended_stream_wait_their_turn() -> None:
    texts = [str(number) for number in range(50)]

    async def stream(session: Any) -> None:
        async for message in session:
            if int(message.payload) % 3 == 0:
                await asyncio.sleep(0.001 if message.payload.endswith("0") else 0)
            await session.send(message)

    async def talk(client: ClientConnection) -> None:
        for text in texts:
            await client.send(text)
        assert [await client.recv() for _ in texts] == texts

    run(stream, talk)


@pytest.mark.parametrize("suspend", [False, True])
def test_an_exception_closes_with_1011(suspend: bool) -> None:
    async def stream(session: Any) -> None:
        await session.receive()
        if suspend:
            await asyncio.sleep(0)
        raise ValueError

    async def talk(client: ClientConnection) -> None:
        await client.send("x")
        await client.wait_closed()
        assert client.close_code == 1011

    assert run(stream, talk).outcome is ValueError


@pytest.mark.parametrize("where", ["before a message", "behind a message", "in a wait"])
def test_a_cancellation_from_within_ends_the_stream(where: str) -> None:
    inner: list[asyncio.Future[None]] = []

    async def stream(session: Any) -> None:
        if where != "before a message":
            await session.receive()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if where == "in a wait":
            inner.append(asyncio.get_running_loop().create_future())
            await inner[0]
        await session.receive()

    async def talk(client: ClientConnection) -> None:
        await client.send("x")
        await client.wait_closed()

    handler = run(stream, talk)
    assert handler.outcome is asyncio.CancelledError
    assert all(future.cancelled() for future in inner)
    assert handler.closed.result() == 1001


def test_a_stream_that_outlives_its_session_is_cancelled() -> None:
    async def stream(session: Any) -> None:
        async for _ in session:
            await asyncio.Event().wait()

    async def talk(client: ClientConnection) -> None:
        await client.send("x")

    handler = run(stream, talk)
    assert handler.outcome is asyncio.CancelledError
    assert handler.closed.result() == 1000


def test_a_close_by_the_peer_ends_the_wait_for_a_message() -> None:
    async def stream(session: Any) -> None:
        assert (await session.receive()).payload == "last"
        with pytest.raises(ConnectionClosed):
            await session.receive()

    async def talk(client: ClientConnection) -> None:
        await client.send("last")

    handler = run(stream, talk)
    assert handler.outcome == "ended"
    assert handler.closed.result() == 1000


# However bytes and turns of the loop come

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WAYS = ["echo", "turn", "task", "timeout", "cancelled"]


async def behave(session: Any, way: str) -> None:
    """Do what a handler may do between two messages."""
    if way == "turn":
        await asyncio.sleep(0)
    elif way == "task":
        await asyncio.create_task(asyncio.sleep(0))
    elif way == "timeout":
        async with asyncio.timeout(1):
            await asyncio.sleep(0)
    elif way == "cancelled":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()


class Writes(StillTransport):
    """Counts what is written."""

    count = 0

    def write(self, data: Any) -> None:
        """Count it."""
        self.count += 1
        super().write(data)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.sampled_from(WAYS), min_size=1, max_size=5), st.integers(0, 3))),
    st.booleans(),
)
def test_every_message_is_answered_once_and_in_order(
    reads: list[tuple[list[str], int]], in_a_task: bool
) -> None:
    """Reads of several messages, with some turns of the loop behind each."""

    async def stream(session: Any) -> None:
        while True:
            receiving = session.receive()
            message = await (asyncio.create_task(receiving) if in_a_task else receiving)
            await behave(session, message.payload)
            await session.send(message)

    loop = StillLoop()
    try:
        transport = serve_on(loop, stream)
        for ways, turns in reads:
            data = b"".join(encode_frame(TEXT, way.encode()) for way in ways)
            loop.call_soon(transport.receive, data)
            loop.turn(1 + turns)
        loop.turn(500)
        sent = [way for ways, _ in reads for way in ways]
        assert bytes(transport.written) == b"".join(
            encode_frame(TEXT, way.encode(), masked=False) for way in sent
        )
        transport.abort()
        loop.turn(50)
        assert not loop.errors
    finally:
        loop.close()


def test_what_one_read_brings_is_answered_in_one_write() -> None:
    async def stream(session: Any) -> None:
        async for message in session:
            await session.send(message)

    loop = StillLoop()
    try:
        transport = serve_on(loop, stream)
        transport.receive(encode_frame(TEXT, b"x") * 8)
        assert transport.count == 1
        assert bytes(transport.written) == encode_frame(TEXT, b"x", masked=False) * 8
        transport.abort()
        loop.turn(50)
    finally:
        loop.close()


def serve_on(loop: StillLoop, stream: Stream) -> Writes:
    """Return a connection to a stream, whose handshake is over."""
    registry = WebSocketHandlerRegistry()
    registry.websocket("/")(stream)
    service = WebSocketService(registry, WsprotoStrategy(), AsyncioRuntime(loop))
    protocol = HttpConnection(service, set(), 65_536)
    transport = Writes(loop, protocol)
    protocol.connection_made(transport)
    transport.receive(REQUEST)
    loop.turn(30)
    assert transport.written.startswith(b"HTTP/1.1 101 "), bytes(transport.written)
    transport.written.clear()
    transport.count = 0
    return transport
