"""What a user may get wrong, and whether the error says what to do instead."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from turnout import (
    ConfigurationError,
    ConnectionClosed,
    HandshakeHandler,
    PerConnectionWebSocketHandler,
    PingMessage,
    RequestUpgradeStrategy,
    StreamWebSocketHandler,
    TextWebSocketHandler,
    WebSocketHandler,
    WebSocketHandlerDecorator,
    WebSocketHandlerRegistry,
    blocking,
    broadcast,
    serve,
    sleep,
)
from turnout.registry import DEFAULT_DECORATORS
from turnout.testing import connect


class Handler(TextWebSocketHandler):
    sub_protocols = ("chat.v1",)


class Page:
    def handle(self, request: Any, response: Any) -> None:
        pass


class Yields(TextWebSocketHandler):
    async def handle_text_message(self, session: Any, message: Any) -> AsyncIterator[str]:  # type: ignore[override]  # the mistake
        yield message


class NoSession(TextWebSocketHandler):
    async def handle_text_message(self, message: Any) -> None:  # type: ignore[override]  # the mistake
        pass


class TwoNames(TextWebSocketHandler):
    sub_protocols = ("chat v1",)


class Misspelt(TextWebSocketHandler):
    async def handle_text_mesage(self, session: Any, message: Any) -> None:
        pass


class CamelCase(WebSocketHandler):
    def afterConnectionClosed(self, session: Any, status: Any) -> None:  # noqa: N802  # the mistake
        pass


class OwnMethods(TextWebSocketHandler):
    def handle(self, command: str) -> None:
        pass

    def handle_text(self, text: str) -> None:
        pass

    def after_connection_opened(self, session: Any) -> None:
        pass

    def _handle_text_messages(self, messages: list[Any]) -> None:
        pass


class Unfinished(StreamWebSocketHandler):
    pass


async def room(session: Any, room: str) -> None:
    pass


def generator(session: Any) -> Any:
    yield "hello"


Register = Callable[[WebSocketHandlerRegistry], object]


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda registry: registry.add_handler(Handler, "/"), "register an instance: Handler(...)"),
        (lambda registry: registry.add_handler(room, "/"), '@registry.websocket("/path") above a'),
        (lambda registry: registry.websocket(room), 'as in @registry.websocket("/path"), unlike'),
        (lambda registry: registry.websocket(), 'as in @registry.websocket("/path")'),
        (lambda registry: registry.add_handler(Handler(), 7), "a path is a string"),
        (lambda registry: registry.add_http_handler(Page()), "a handler needs a path"),
        (lambda registry: registry.add_http_handler(Page, "/"), "register an instance: Page(...)"),
        (lambda registry: registry.websocket("/")(generator), "generator yields"),
        (
            lambda registry: registry.websocket("/")(functools.partial(generator)),
            "yields, which sends nothing: use session.send(message)",
        ),
        (lambda registry: registry.add_handler(Yields(), "/"), "Yields.handle_text_message yields"),
        (
            lambda registry: registry.add_handler(PerConnectionWebSocketHandler(Yields), "/"),
            "Yields.handle_text_message yields",
        ),
        (
            lambda registry: registry.websocket("/rooms/{room}")(room),
            "room takes (session, room) and is called with (session); the variables of the path",
        ),
        (
            lambda registry: registry.add_handler(NoSession(), "/"),
            "handle_text_message takes (message) and is called with (session, argument)",
        ),
        (
            lambda registry: registry.add_handler(Unfinished(), "/"),
            "Unfinished needs a handle(session) method",
        ),
        (
            lambda registry: registry.add_handler(Misspelt(), "/"),
            "Misspelt.handle_text_mesage is never called: did you mean handle_text_message?",
        ),
        (
            lambda registry: registry.add_handler(PerConnectionWebSocketHandler(Misspelt), "/"),
            "Misspelt.handle_text_mesage is never called",
        ),
        (
            lambda registry: registry.add_handler(CamelCase(), "/"),
            "CamelCase.afterConnectionClosed is never called: did you mean after_connection_closed",
        ),
        (
            lambda registry: registry.add_handler(TwoNames(), "/"),
            "not the name of a sub-protocol: 'chat v1'",
        ),
        (
            lambda registry: registry.add_handler(Handler(), "/", options={"max_text_size": 3}),
            "options takes WebSocketOptions(...), not {'max_text_size': 3}",
        ),
        (
            lambda _: WebSocketHandlerRegistry(options={"max_text_size": 3}),  # type: ignore[arg-type]  # the mistake
            "options takes WebSocketOptions(...)",
        ),
        (
            lambda _: WebSocketHandlerRegistry(handshake_handler=HandshakeHandler),  # type: ignore[arg-type]  # the mistake
            "a handshake handler is an instance of a HandshakeHandler class",
        ),
        (
            lambda registry: registry.add_handler(Handler(), "/").set_handshake_handler(Handler()),
            "a handshake handler is an instance of a HandshakeHandler class",
        ),
        (
            lambda registry: registry.add_handler(Handler(), "/").set_allowed_origins(
                ["https://example.org"]
            ),
            "an allowed origin is a string, unlike ['https://example.org']",
        ),
        (
            lambda registry: serve(registry, RequestUpgradeStrategy),  # type: ignore[arg-type]  # the mistake
            "give a strategy, not its class: RequestUpgradeStrategy()",
        ),
    ],
)
def test_a_registration_that_cannot_work_says_what_to_do(register: Register, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        register(WebSocketHandlerRegistry())


def test_methods_of_ones_own_are_no_mistake() -> None:
    WebSocketHandlerRegistry().add_handler(OwnMethods(), "/")


def test_one_sub_protocol_may_be_a_string() -> None:
    class Chat(WebSocketHandler):
        sub_protocols = "chat.v1"

    registry = WebSocketHandlerRegistry()
    assert registry.add_handler(Chat(), "/a").prepared.sub_protocols == ("chat.v1",)

    async def test() -> None:
        registry.websocket("/b", sub_protocols="chat.v2")(echo)
        async with connect(registry, "/b", sub_protocols=["chat.v2"]) as client:
            assert client.sub_protocol == "chat.v2"

    asyncio.run(test())


async def echo(session: Any) -> None:
    async for message in session:
        await session.send(message)


def test_a_callable_that_does_not_tell_what_it_takes_is_taken() -> None:
    class Untold(StreamWebSocketHandler):
        handle: Any = property(lambda self: dict)  # `dict` has no signature

    WebSocketHandlerRegistry().add_handler(Untold(), "/")


# While serving


async def log_of(handler: Any, caplog: pytest.LogCaptureFixture) -> str:
    """Return what the log says of a handler that gets one message, and was closed with 1011."""
    registry = WebSocketHandlerRegistry()
    if isinstance(handler, WebSocketHandler):
        registry.add_handler(handler, "/")
    else:
        registry.websocket("/")(handler)
    async with asyncio.timeout(10), connect(registry, "/") as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.send("hello")  # it may be over by then
            await client.receive()
    assert closed.value.code == 1011
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info is not None
    return str(record.exc_info[1])


async def sends_a_dict(session: Any) -> None:
    await session.send({"type": "greeting"})


def sends_a_dict_plainly(session: Any) -> None:
    session.send({"type": "greeting"})


async def sends_a_number(session: Any) -> None:
    await session.send(3)


def sends_a_number_plainly(session: Any) -> None:
    session.send(3)


async def sleeps_blocking(session: Any) -> None:
    blocking.sleep(0.01)


def wraps_a_coroutine(session: Any) -> Any:
    return echo(session)


class WrapsACoroutine(TextWebSocketHandler):
    def handle_text_message(self, session: Any, message: Any) -> Any:
        return echo(session)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (sends_a_dict, "send takes no dict; encode it: json.dumps(...)"),
        (sends_a_dict_plainly, "send takes no dict; encode it: json.dumps(...)"),
        (sends_a_number, "send takes str, bytes, a Message or an iterable, not int"),
        (sends_a_number_plainly, "send takes str, bytes, a Message or an iterable, not int"),
        (sleeps_blocking, "await the session itself and turnout's own helpers"),
        (wraps_a_coroutine, "make it `async def`, and a function that wraps one too"),
        (WrapsACoroutine(), "make it `async def`, and a function that wraps one too"),
    ],
)
def test_a_handler_that_cannot_work_says_what_to_do(
    handler: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert message in asyncio.run(log_of(handler, caplog))


class Raises(TextWebSocketHandler):
    async def handle_text_message(self, session: Any, message: Any) -> None:
        if message.payload == "late":
            await session.send("before")
            await sleep(0)
        raise ZeroDivisionError(message.payload)


class Outside(WebSocketHandlerDecorator):
    """A decorator around the guard, which sees no error."""

    async def handle_message(self, session: Any, message: Any) -> None:
        await cast("Any", self.delegate).handle_message(session, message)
        assert not session.is_open


@pytest.mark.parametrize("text", ["at once", "late"])
@pytest.mark.parametrize(
    "decorators",
    [DEFAULT_DECORATORS, (), (*DEFAULT_DECORATORS, Outside)],
    ids=["decorated", "bare", "guarded inside"],
)
def test_error_of_a_callback_closes_and_is_logged_once(
    decorators: Any, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = WebSocketHandlerRegistry(decorators=decorators)
    registry.add_handler(Raises(), "/")

    async def test() -> None:
        async with asyncio.timeout(10), connect(registry, "/") as client:
            await client.send(text)
            if text == "late":
                assert await client.receive() == "before"
            with pytest.raises(ConnectionClosed) as closed:
                await client.receive()
            assert closed.value.code == 1011

    asyncio.run(test())
    [logged] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logged.exc_info is not None
    assert isinstance(logged.exc_info[1], ZeroDivisionError)


class Returns(TextWebSocketHandler):
    def handle_text_message(self, session: Any, message: Any) -> Any:
        session.send(message)
        return 7


@pytest.mark.parametrize("decorators", [DEFAULT_DECORATORS, ()], ids=["decorated", "bare"])
def test_what_a_plain_handler_returns_is_of_no_matter(
    decorators: Any, caplog: pytest.LogCaptureFixture
) -> None:
    registry = WebSocketHandlerRegistry(decorators=decorators)
    registry.add_handler(Returns(), "/callback")

    @registry.websocket("/stream")
    def stream(session: Any) -> int:
        session.send(session.receive())
        return 7

    async def test(path: str) -> None:
        async with asyncio.timeout(10), connect(registry, path) as client:
            await client.send("one")
            assert await client.receive() == "one"
            await client.close()

    for path in ("/callback", "/stream"):
        asyncio.run(test(path))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_messages_of_the_wrong_type_are_named() -> None:
    with pytest.raises(TypeError, match="a ping carries bytes, not str"):
        PingMessage("hello")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match=r"broadcast takes str, bytes, .* not list"):
        broadcast([], ["hello"])  # type: ignore[arg-type]  # the mistake
