"""The in-memory engine, as users of it write their tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from turnout import (
    BodyTooLargeError,
    CloseStatus,
    ConnectionClosed,
    HandshakeInterceptor,
    HandshakeRefused,
    PingMessage,
    PongMessage,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
)
from turnout.testing import connect, fetch

Test = Callable[[WebSocketHandlerRegistry], Coroutine[Any, Any, None]]


class Chat(TextWebSocketHandler):
    def __init__(self) -> None:
        self.closed: list[CloseStatus] = []

    async def handle_text_message(self, session: Any, message: TextMessage) -> None:
        await session.send(f"{session.path_variables['room']}: {message.payload}")

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.closed.append(status)


class PlainChat(TextWebSocketHandler):
    def __init__(self) -> None:
        self.closed: list[CloseStatus] = []

    def handle_text_message(self, session: Any, message: TextMessage) -> None:
        session.send(f"{session.path_variables['room']}: {message.payload}")

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.closed.append(status)


class Pieces(WebSocketHandler):
    supports_partial_messages = True

    async def handle_text_message(self, session: Any, message: TextMessage) -> None:
        await session.send(f"{message.payload} {message.is_first} {message.is_last}")


class Token(HandshakeInterceptor):
    def before_handshake(
        self, request: Any, response: Any, handler: Any, attributes: dict[str, Any]
    ) -> None:
        if "X-Token" not in request.headers:
            raise HandshakeRefused(401, [("WWW-Authenticate", "Bearer")], "token needed")
        attributes["token"] = request.headers["X-Token"]


def in_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test as users without a plugin for asyncio do."""

    def run() -> None:
        async def limited() -> None:
            async with asyncio.timeout(10):
                await test()

        asyncio.run(limited())

    run.__name__ = test.__name__
    return run


@pytest.mark.parametrize("chat", [Chat(), PlainChat()], ids=["async", "plain"])
def test_callback_handler(chat: Chat | PlainChat) -> None:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(chat, "/chat/{room}")

    async def test() -> None:
        async with connect(registry, "/chat/blue") as client:
            await client.send("hello")
            assert await client.receive() == "blue: hello"
            assert client.session.is_open
            assert len(registry.sessions) == 1
        assert chat.closed == [CloseStatus(1000)]
        assert not registry.sessions

    in_a_loop(test)()


@in_a_loop
async def test_stream_handlers_of_both_colours() -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/async")
    async def echo(session: Any) -> None:
        async for message in session:
            await session.send(message)

    @registry.websocket("/plain")
    def plain_echo(session: Any) -> None:
        for message in session:
            session.send(message)

    for path in ("/async", "/plain"):
        async with connect(registry, path) as client:
            await client.send("text")
            await client.send(b"data")
            assert await client.receive() == "text"
            assert await client.receive() == b"data"


@in_a_loop
async def test_close_by_the_handler() -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/")
    async def goodbye(session: Any) -> None:
        await session.send("bye")
        await session.close(4001, "bye")

    async with connect(registry, "/") as client:
        assert [message async for message in client] == ["bye"]
        assert client.close_status == CloseStatus(4001, "bye")
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
        assert closed.value.code == 4001
        with pytest.raises(ConnectionClosed):
            await client.send("late")


@in_a_loop
async def test_close_and_vanishing_by_the_client() -> None:
    registry = WebSocketHandlerRegistry()
    chat = Chat()
    registry.add_handler(chat, "/{room}")
    async with connect(registry, "/a") as client:
        assert await client.close(4000, "enough") == CloseStatus(4000, "enough")
    async with connect(registry, "/a") as client:
        assert await client.vanish() == CloseStatus(1006)
    assert [status.code for status in chat.closed] == [4000, 1006]


@in_a_loop
async def test_failing_handler_closes_with_1011() -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/")
    async def fail(session: Any) -> None:
        raise RuntimeError("a fault")

    async with connect(registry, "/") as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
    assert closed.value.code == 1011


@in_a_loop
async def test_handshake_is_the_real_one() -> None:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(Chat(), "/chat/{room}", interceptors=[Token()])
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(registry, "/chat/blue"):
            pass
    assert (refused.value.status, refused.value.body) == (401, b"token needed")
    assert ("WWW-Authenticate", "Bearer") in refused.value.headers
    with pytest.raises(HandshakeRefused, match="403"):
        async with connect(registry, "/chat/blue", origin="https://foreign.example"):
            pass
    with pytest.raises(HandshakeRefused, match="404"):
        async with connect(registry, "/nowhere"):
            pass
    async with connect(registry, "/chat/blue", headers={"X-Token": "secret"}) as client:
        assert client.session.attributes == {"token": "secret"}
        assert client.headers["Upgrade"] == "websocket"


@in_a_loop
async def test_sub_protocol() -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", sub_protocols=("chat.v1",))
    async def handler(session: Any) -> None:
        await session.send(session.accepted_protocol)

    async with connect(registry, "/", sub_protocols=("other", "chat.v1")) as client:
        assert client.sub_protocol == "chat.v1"
        assert await client.receive() == "chat.v1"


@in_a_loop
async def test_pings() -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", control_frames=True)
    async def handler(session: Any) -> None:
        assert await session.ping() < 5
        message = await session.receive()  # the pong of the ping above
        assert isinstance(message, PongMessage)
        message = await session.receive()
        await session.send(f"{message.kind} {message.payload!r}")

    async with connect(registry, "/") as client:
        assert isinstance(await client.receive_message(), PingMessage)
        await client.send(PingMessage(b"x"))
        assert await client.receive_message() == PongMessage(b"x")
        assert await client.receive() == "ping b'x'"


@in_a_loop
async def test_pieces() -> None:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(Pieces(), "/pieces")

    @registry.websocket("/whole")
    async def whole(session: Any) -> None:
        async for message in session:
            await session.send(TextMessage(message.payload, is_last=False))
            await session.send(TextMessage("!", is_first=False))

    for path, expected in (
        ("/pieces", ["on True False", "ce False True"]),
        ("/whole", ["once!"]),
    ):
        async with connect(registry, path) as client:
            await client.send(TextMessage("on", is_last=False))
            await client.send(TextMessage("ce", is_first=False))
            assert [await client.receive() for _ in expected] == expected


@in_a_loop
async def test_limits() -> None:
    options = WebSocketOptions(max_text_size=4)
    registry = WebSocketHandlerRegistry(options=options)
    registry.add_handler(Chat(), "/{room}")
    async with connect(registry, "/a") as client:
        await client.send("1234")
        assert await client.receive() == "a: 1234"
        await client.send("12345")
        assert (await client.wait_closed()).code == 1009
    async with connect(registry, "/a") as client:
        await client.send(TextMessage("123", is_last=False))
        await client.send(TextMessage("45", is_first=False))
        assert (await client.wait_closed()).code == 1009


@in_a_loop
async def test_back_pressure_both_ways() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(receive_buffer=1000))
    begin = asyncio.Event()
    sent = 0

    @registry.websocket("/slow")
    async def slow(session: Any) -> None:
        await begin.wait()
        async for _ in session:
            pass

    @registry.websocket("/eager")
    async def eager(session: Any) -> None:
        nonlocal sent
        while True:
            await session.send(bytes(10_000))
            sent += 1

    async with connect(registry, "/slow") as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                while True:
                    await client.send("x" * 100)
        begin.set()
        await client.send("taken")
    async with connect(registry, "/eager") as client:
        for _ in range(200):  # turns of the loop
            await asyncio.sleep(0)
        assert sent == 7  # seven messages are more than the window holds
        for _ in range(20):
            assert len(await client.receive()) == 10_000
        await client.close()


@in_a_loop
async def test_plain_http() -> None:
    registry = WebSocketHandlerRegistry()

    async def upper(request: Any, response: Any) -> None:
        try:
            body = await request.read_body(5)
        except BodyTooLargeError:
            await response.send(413)
        else:
            await response.send(200, {"X-Path": request.path}, body.upper())

    def streamed(request: Any, response: Any) -> None:
        response.start(200)
        for number in range(3):
            response.write(str(number).encode())
        response.finish()

    registry.add_http_handler(upper, "/upper")
    registry.add_http_handler(streamed, "/streamed")
    answer = await fetch(registry, "/upper", method="POST", body=b"hello")
    assert (answer.status, answer.headers["X-Path"], answer.body) == (200, "/upper", b"HELLO")
    assert (await fetch(registry, "/upper", body=b"too long")).status == 413
    assert (await fetch(registry, "/streamed")).body == b"012"
    assert (await fetch(registry, "/nowhere")).status == 404


def test_one_registry_in_several_loops() -> None:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(Chat(), "/{room}")

    async def test() -> None:
        async with connect(registry, "/a") as client:
            await client.send("hello")
            assert await client.receive() == "a: hello"

    in_a_loop(test)()
    in_a_loop(test)()
