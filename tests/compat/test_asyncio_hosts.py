"""Plain handlers on asyncio: in a thread of their own, or in a greenlet of the task."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

import turnout.blocking
from turnout import (
    ConfigurationError,
    ConnectionClosed,
    EngineNotInstalledError,
    HandshakeInterceptor,
    ServerSettings,
    TextMessage,
    TextWebSocketHandler,
    UsageError,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    broadcast,
)
from turnout_adapters.wsproto import RunningServer, start

DEADLINE = 10.0
user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
BRIDGES = pytest.mark.parametrize("bridge", [None, "greenlet"])


def url(server: RunningServer, path: str = "/") -> str:
    """Return the URL of a path."""
    assert isinstance(server.address, tuple)
    return f"ws://{server.address[0]}:{server.address[1]}{path}"


async def talk(
    registry: WebSocketHandlerRegistry, client: Callable[[RunningServer], Any]
) -> RunningServer:
    """Serve a registry while a client runs, within the deadline."""
    server = await start(registry, ServerSettings(port=0))
    async with asyncio.timeout(DEADLINE):
        await client(server)
        await server.stop()
    return server


class SetUser(HandshakeInterceptor):
    """Sets a context variable."""

    def before_handshake(self, *arguments: Any, **named: Any) -> None:
        """Set it."""
        user.set("ann")


@BRIDGES
def test_context_variables_of_interceptors_are_visible(bridge: Any) -> None:
    """What an interceptor sets, the handler reads, wherever it runs."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", bridge=bridge, interceptors=[SetUser()])
    def handler(session: Any) -> None:
        session.send(user.get())

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            assert await websocket.recv() == "ann"

    asyncio.run(talk(registry, client))


@BRIDGES
def test_plain_callbacks(bridge: Any) -> None:
    """A plain callback handler gets the blocking view, in order, and its end once."""
    events: list[Any] = []

    class Upper(TextWebSocketHandler):
        def after_connection_established(self, session: Any) -> None:
            events.append("established")

        def handle_text_message(self, session: Any, message: TextMessage) -> None:
            session.send_text(message.payload.upper())

        def after_connection_closed(self, session: Any, status: Any) -> None:
            events.append(status.code)

    registry = WebSocketHandlerRegistry()
    registry.add_handler(Upper(), "/", bridge=bridge)

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            for text in ("one", "two", "three"):
                await websocket.send(text)
            assert [await websocket.recv() for _ in range(3)] == ["ONE", "TWO", "THREE"]
            await websocket.close(4002)

    asyncio.run(talk(registry, client))
    assert events == ["established", 4002]


@BRIDGES
def test_blocking_helpers_and_pings(bridge: Any) -> None:
    """`turnout.blocking` works inside, and a session's round trip can be measured."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", bridge=bridge)
    def handler(session: Any) -> None:
        turnout.blocking.sleep(0.001)
        with pytest.raises(TimeoutError), turnout.blocking.timeout(0.01):
            session.receive()
        assert 0 <= session.ping() < DEADLINE
        session.send("fine")

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            assert await websocket.recv() == "fine"

    asyncio.run(talk(registry, client))


def test_join_of_two_blocking_loops() -> None:
    """The reader that would wait for ever ends when the writer has ended."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/")
    def handler(session: Any) -> None:
        def inbound() -> None:
            for _ in session:
                pass

        turnout.blocking.join(inbound, lambda: session.send("only this"))
        session.close(4005)

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            assert await websocket.recv() == "only this"
            await websocket.wait_closed()
            assert websocket.close_code == 4005

    asyncio.run(talk(registry, client))


def test_broadcast_from_a_thread_reaches_sessions_of_both_colours() -> None:
    """A plain handler broadcasts to whatever sessions there are."""
    registry = WebSocketHandlerRegistry()
    blocking_sessions = []

    @registry.websocket("/listen")
    async def listen(session: Any) -> None:
        await session.wait_closed()

    @registry.websocket("/speak")
    def speak(session: Any) -> None:
        blocking_sessions.append(session)
        others = [s.blocking for s in registry.sessions.values()]
        assert broadcast(others, "to all") == 2
        session.wait_closed()

    async def client(server: RunningServer) -> None:
        async with connect(url(server, "/listen")) as first:
            async with connect(url(server, "/speak")) as second:
                assert await first.recv() == "to all"
                assert await second.recv() == "to all"

    asyncio.run(talk(registry, client))


def test_a_thread_that_does_not_return_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """At close_timeout the log names it, and after_connection_closed has run, once."""
    release, events = threading.Event(), []

    class Stuck(TextWebSocketHandler):
        def handle_text_message(self, session: Any, message: TextMessage) -> None:
            session.attributes["thread"] = threading.current_thread().name
            release.wait()
            with pytest.raises(ConnectionClosed):
                session.send("too late")
            events.append(session.attributes["thread"])

        def after_connection_closed(self, session: Any, status: Any) -> None:
            events.append(status.code)

    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=0.1))
    registry.add_handler(Stuck(), "/")

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            await websocket.send("x")
        await server.service.drain()

    try:
        with caplog.at_level(logging.ERROR, "turnout.handler"):
            asyncio.run(talk(registry, client))
        assert events == [1000]
    finally:
        release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("turnout-") and thread.name in caplog.text:
            thread.join(DEADLINE)
    assert events[0] == 1000
    assert len(events) == 2
    assert events[1] in caplog.text


def test_blocking_view_in_the_event_loop_is_refused() -> None:
    """Blocking the loop that the session needs would wait for ever: it raises instead."""
    registry = WebSocketHandlerRegistry()
    errors = []

    @registry.websocket("/")
    async def handler(session: Any) -> None:
        try:
            session.blocking.receive()
        except UsageError as error:
            errors.append(str(error))

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            await websocket.wait_closed()
            assert websocket.close_code == 1000

    asyncio.run(talk(registry, client))
    assert "would block the event loop" in errors[0]


@BRIDGES
def test_a_plain_handler_that_raises(bridge: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback and closed with 1011, without a word to the peer."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", bridge=bridge)
    def handler(session: Any) -> None:
        raise ValueError("secret")

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            await websocket.wait_closed()
            assert (websocket.close_code, websocket.close_reason) == (1011, "")

    asyncio.run(talk(registry, client))
    assert "ValueError: secret" in caplog.text


def test_a_cancelled_greenlet_handler_still_learns_of_the_end() -> None:
    """At close_timeout CancelledError is raised where the greenlet waits."""
    events: list[Any] = []

    class Waiting(TextWebSocketHandler):
        def handle_text_message(self, session: Any, message: TextMessage) -> None:
            try:
                turnout.blocking.Event().wait()
            except asyncio.CancelledError:
                events.append("cancelled")
                raise

        def after_connection_closed(self, session: Any, status: Any) -> None:
            events.append(status.code)

    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=0.1))
    registry.add_handler(Waiting(), "/", bridge="greenlet")

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            await websocket.send("x")
        await server.service.drain()

    asyncio.run(talk(registry, client))
    assert events == ["cancelled", 1000]


@BRIDGES
def test_the_session_in_a_thread_that_the_handler_has_spawned(bridge: Any) -> None:
    """A plain handler may use its session from threads of its own."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", bridge=bridge)
    def handler(session: Any) -> None:
        task = turnout.blocking.spawn(lambda: session.send("from beside"))
        task.result()
        assert task.done

    async def client(server: RunningServer) -> None:
        async with connect(url(server)) as websocket:
            assert await websocket.recv() == "from beside"

    asyncio.run(talk(registry, client))


def test_a_bridge_without_its_package_raises_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is served, with the command that installs it."""
    monkeypatch.delitem(sys.modules, "turnout_compat.asyncio_greenlet", raising=False)
    monkeypatch.setitem(sys.modules, "greenlet", None)
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/", bridge="greenlet")
    def handler(session: Any) -> None:
        raise AssertionError

    async def main() -> None:
        with pytest.raises(EngineNotInstalledError, match=r'pip install "turnout\[greenlet\]"'):
            await start(registry, ServerSettings(port=0))

    asyncio.run(main())


def test_handlers_that_come_while_serving_are_checked_too() -> None:
    """What the engine cannot do is refused where it is registered; the rest is served at once."""
    registry = WebSocketHandlerRegistry()

    async def client(server: RunningServer) -> None:
        @registry.websocket("/late")
        def late(session: Any) -> None:
            session.send("here")

        async with connect(url(server, "/late")) as websocket:
            assert await websocket.recv() == "here"
        registry.freeze()
        with pytest.raises(ConfigurationError, match="frozen"):
            registry.websocket("/later")(late)

    asyncio.run(talk(registry, client))
