"""What may be registered, and what it is taken for: found out at once, never while serving."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from turnout import (
    ConfigurationError,
    Message,
    PerConnectionWebSocketHandler,
    StreamWebSocketHandler,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandler,
    WebSocketHandlerDecorator,
    WebSocketHandlerRegistry,
    WebSocketOptions,
)
from turnout.handlers.stream import FunctionHandler
from turnout.handlers.traits import PreparedHandler, colour_of


async def async_handler(session: Any) -> None: ...


def plain_handler(session: Any) -> None: ...


async def page(request: Any, response: Any) -> None: ...


class AsyncCall:
    """An object that is called and awaited."""

    async def __call__(self, session: Any) -> None: ...

    @classmethod
    async def of_class(cls, session: Any) -> None: ...

    @staticmethod
    async def static(session: Any) -> None: ...


class PlainCall:
    """An object that is called."""

    def __call__(self, session: Any) -> None: ...

    @classmethod
    def of_class(cls, session: Any) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        async_handler,
        functools.partial(async_handler),
        functools.partial(functools.partial(async_handler)),
        AsyncCall(),
        functools.partial(AsyncCall()),
        AsyncCall.of_class,
        AsyncCall().static,
    ],
)
def test_async_callables(function: Any) -> None:
    assert colour_of(function) == "async"


@pytest.mark.parametrize(
    "function",
    [
        plain_handler,
        functools.partial(plain_handler),
        PlainCall(),
        PlainCall.of_class,
    ],
)
def test_plain_callables(function: Any) -> None:
    assert colour_of(function) == "plain"


async def async_generator(session: Any) -> AsyncIterator[str]:
    yield "never"


def generator(session: Any) -> Iterator[str]:
    yield "never"


@pytest.mark.parametrize("function", [async_generator, generator])
def test_a_generator_is_no_handler(function: Any) -> None:
    """Called, it would do nothing at all, and the session would end as if it had."""
    registry = WebSocketHandlerRegistry()
    with pytest.raises(ConfigurationError, match="yields"):
        registry.websocket("/")(function)

    class Handler(TextWebSocketHandler):
        handle_text_message = function

    with pytest.raises(ConfigurationError, match="yields"):
        registry.add_handler(Handler(), "/")
    with pytest.raises(ConfigurationError, match="yields"):
        registry.add_http_handler(function, "/")
    assert registry.paths == []


def registered(target: Any, **settings: Any) -> PreparedHandler:
    """Return what `websocket` makes of a function or class."""
    registry = WebSocketHandlerRegistry()
    assert registry.websocket("/", **settings)(target) is target
    found = registry.find("/")
    assert found is not None
    return found[0].prepared


# Classes


class Echo:
    """A class with a handle method, and nothing else of turnout."""

    async def handle(self, session: Any) -> None: ...


class PlainEcho:
    """The same, plain."""

    sub_protocols = ("echo.v1",)

    def handle(self, session: Any) -> None: ...


def test_a_class_with_handle_is_a_stream_handler() -> None:
    prepared = registered(Echo)
    assert (prepared.shape, prepared.colour, prepared.partial) == ("stream", "async", False)
    prepared = registered(PlainEcho)
    assert (prepared.colour, prepared.sub_protocols) == ("plain", ("echo.v1",))


def test_a_class_with_handle_may_have_the_other_callbacks() -> None:
    class Noting(Echo):
        async def after_connection_closed(self, session: Any, status: Any) -> None: ...

    handler = registered(Noting).original
    assert isinstance(handler, Noting)
    assert isinstance(handler, StreamWebSocketHandler)
    assert type(handler).__qualname__ == Noting.__qualname__


def test_settings_of_a_class_with_handle_apply() -> None:
    prepared = registered(PlainEcho, partial=True, control_frames=True, sub_protocols=["other"])
    assert (prepared.partial, prepared.pings, prepared.pongs) == (True, True, True)
    assert prepared.sub_protocols == ("other",)


class Chat(TextWebSocketHandler):
    """A callback handler."""

    async def handle_text_message(self, session: Any, message: TextMessage) -> None: ...


class Stream(StreamWebSocketHandler):
    """A stream handler."""

    async def handle(self, session: Any) -> None: ...


@pytest.mark.parametrize("target", [Chat, Stream])
def test_settings_of_a_handler_class_apply(target: Any) -> None:
    """To the one object that is made of it; the class stays as it is."""
    prepared = registered(target, partial=True, sub_protocols=("a",))
    assert (prepared.partial, prepared.sub_protocols) == (True, ("a",))
    assert (target.supports_partial_messages, target.sub_protocols) == (False, ())


def test_control_frames_are_for_streams() -> None:
    """Callback handlers have methods for them."""
    assert registered(Stream, control_frames=True).pings
    with pytest.raises(ConfigurationError, match="handle_ping_message"):
        registered(Chat, control_frames=True)


def test_a_class_that_is_no_handler() -> None:
    with pytest.raises(ConfigurationError, match="is no handler"):
        registered(dict)


def test_a_class_that_answers_http_is_registered_as_an_object() -> None:
    class Page:
        async def handle(self, request: Any, response: Any) -> None: ...

    registry = WebSocketHandlerRegistry()
    with pytest.raises(ConfigurationError, match="register an instance"):
        registry.add_http_handler(Page, "/")  # type: ignore[arg-type]  # that is the mistake
    registry.add_http_handler(Page(), "/")


def test_inherited_methods_count() -> None:
    """A class that adds a plain method to an `async def` one mixes them as any other."""

    class Mixed(Chat):
        def after_connection_established(self, session: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="mixes `async def` and plain `def`"):
        WebSocketHandlerRegistry().add_handler(Mixed(), "/")

    class Pure(Chat):
        async def after_connection_established(self, session: Any) -> None: ...

    WebSocketHandlerRegistry().add_handler(Pure(), "/")


def test_a_handler_may_have_attributes_of_any_name() -> None:
    """Only turnout's own decorators have something inside."""

    class Mine(Chat):
        def __init__(self) -> None:
            self.delegate = object()
            self.prototype = 7

    prepared = WebSocketHandlerRegistry().add_handler(Mine(), "/").prepared
    assert (prepared.colour, prepared.shape) == ("async", "callback")


def test_what_is_inside_decorators_decides() -> None:
    class Plain(TextWebSocketHandler):
        supports_partial_messages = True
        sub_protocols = ("p",)

        def handle_pong_message(self, session: Any, message: Message) -> None: ...

    handler = WebSocketHandlerDecorator(PerConnectionWebSocketHandler(Plain))
    prepared = WebSocketHandlerRegistry().add_handler(handler, "/").prepared
    assert (prepared.colour, prepared.partial, prepared.pongs) == ("plain", True, True)
    assert (prepared.pings, prepared.sub_protocols) == (False, ("p",))


def test_one_sub_protocol_may_be_a_string() -> None:
    """It is not taken apart into letters."""

    class Speaks(Chat):
        sub_protocols = "chat.v1"

    assert registered(Speaks).sub_protocols == ("chat.v1",)
    assert registered(async_handler, sub_protocols="chat.v1").sub_protocols == ("chat.v1",)


@pytest.mark.parametrize("name", ["", "two words", "a,b", "\u00e4"])
def test_a_sub_protocol_is_a_token(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not the name of a sub-protocol"):
        registered(async_handler, sub_protocols=("fine", name))


# Paths and options


@pytest.mark.parametrize("paths", [("/new", "/taken"), ("/new", "/new"), ("/new", "no-slash")])
def test_a_registration_that_fails_leaves_nothing(paths: tuple[str, ...]) -> None:
    """Neither a path of it nor its options stay behind."""
    registry = WebSocketHandlerRegistry()
    registry.add_handler(Chat(), "/taken")
    with pytest.raises(ConfigurationError):
        registry.add_handler(Chat(), *paths)
    assert registry.paths == ["/taken"]
    with pytest.raises(ConfigurationError):
        registry.add_http_handler(page, "/page", "/page")
    assert registry.find_http("/page") is None


def test_an_explicit_none_overrides() -> None:
    options = WebSocketOptions(idle_timeout=5.0, max_text_size=10)
    registry = WebSocketHandlerRegistry(options=options)
    registration = registry.add_handler(Chat(), "/").set_options(idle_timeout=None)
    assert registration.options.idle_timeout is None
    assert registration.options.max_text_size == 10
    assert registration.options.explicit == {"idle_timeout", "max_text_size"}
    registration.set_options(WebSocketOptions(max_text_size=None), idle_timeout=1.0)
    assert registration.options.overridden_by(WebSocketOptions()) == WebSocketOptions(
        max_text_size=None, idle_timeout=1.0
    )


@pytest.mark.parametrize("name", ["close_timeout", "overflow"])
def test_what_cannot_be_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        WebSocketOptions.from_values({name: None})


def test_functions_are_shown_by_name() -> None:
    assert "async_handler" in repr(FunctionHandler(async_handler))
    assert isinstance(FunctionHandler(async_handler), StreamWebSocketHandler)
    assert not isinstance(FunctionHandler(async_handler), WebSocketHandler)
