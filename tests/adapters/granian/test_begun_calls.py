"""A host whose calls have begun when they return, as granian's have: no task follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from turnout import WebSocketHandler, WebSocketHandlerRegistry
from turnout_adapters.asgi import mount

DEADLINE = 5.0
SCOPE = {
    "type": "websocket",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "ws",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "subprotocols": [],
}
Event = dict[str, Any]


class Handler(WebSocketHandler):
    """Does what a text says, and remembers how its session ended."""

    def __init__(self) -> None:
        self.session: Any = None
        self.errors: list[BaseException] = []
        self.status: Any = None

    async def after_connection_established(self, session: Any) -> None:
        self.session = session

    async def handle_text_message(self, session: Any, message: Any) -> None:
        if message.payload == "suspend":
            await asyncio.sleep(0)
        if message.payload != "silence":
            await session.send(message)

    async def handle_transport_error(self, session: Any, error: Exception) -> None:
        self.errors.append(error)

    async def after_connection_closed(self, session: Any, status: Any) -> None:
        self.status = status


class Host:
    """Notes what it is called for; with `holds`, what is sent is not through until `let_go`."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.receiving: asyncio.Future[Event] | None = None
        self.sending: list[asyncio.Future[None]] = []
        self.holds = False
        self.handler = Handler()
        registry = WebSocketHandlerRegistry()
        registry.add_handler(self.handler, "/")
        self.app = mount(None, registry)  # type: ignore[arg-type]  # it gets no other scope

    def receive(self) -> asyncio.Future[Event]:
        self.log.append("receive")
        self.receiving = asyncio.get_running_loop().create_future()
        return self.receiving

    def send(self, event: Event) -> asyncio.Future[None]:
        self.log.append(event.get("text") or event["type"])
        sending = asyncio.get_running_loop().create_future()
        if self.holds:
            self.sending.append(sending)
        else:
            sending.set_result(None)
        return sending

    async def asgi_send(self, event: Event) -> None:
        """Do what a middleware does, which knows of no futures."""
        await self.send(event)

    def give(self, **event: Any) -> None:
        """Answer what is asked for."""
        receiving, self.receiving = self.receiving, None
        assert receiving is not None
        receiving.set_result(event)

    def text(self, text: str) -> None:
        """Give a message."""
        self.give(type="websocket.receive", text=text)

    def end(self, code: int = 1000) -> None:
        """Give the end."""
        self.give(type="websocket.disconnect", code=code)

    def let_go(self) -> None:
        """Have the oldest send be through."""
        self.sending.pop(0).set_result(None)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for what no event tells."""
        while not holds():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0)

    async def open(self, send: Callable[[Event], Awaitable[None]] | None = None) -> Any:
        """Begin a session; return the task of the application."""
        running = asyncio.create_task(self.app(SCOPE, self.receive, send or self.send))
        await self.until(lambda: self.receiving)
        self.give(type="websocket.connect")
        await self.until(lambda: self.handler.session and self.receiving)
        await asyncio.sleep(0)  # the handler is through with its beginning
        self.log.clear()
        return running


Talk = Callable[[Host, Any], Awaitable[None]]


def converse(talk: Talk, *, by_coroutine: bool = False) -> Host:
    """Let a test talk to an application until that ends."""

    async def main() -> Host:
        host = Host()
        async with asyncio.timeout(DEADLINE):
            running = await host.open(host.asgi_send if by_coroutine else None)
            await talk(host, running)
            await running
        return host

    return asyncio.run(main())


def test_an_answer_costs_no_turn_of_the_loop() -> None:
    async def talk(host: Host, running: Any) -> None:
        tasks = asyncio.all_tasks()
        host.text("one")
        await asyncio.sleep(0)
        assert host.log == ["one", "receive"]
        assert asyncio.all_tasks() == tasks
        host.end()

    assert converse(talk).handler.status.code == 1000


@pytest.mark.parametrize("text", ["one", "suspend"])
@pytest.mark.parametrize("by_coroutine", [False, True])
def test_an_answer_comes_before_more_is_asked_for(text: str, by_coroutine: bool) -> None:
    async def talk(host: Host, running: Any) -> None:
        host.text(text)
        await host.until(lambda: host.receiving)
        host.text("silence")
        await host.until(lambda: host.receiving)
        host.end()

    host = converse(talk, by_coroutine=by_coroutine)
    assert host.log == [text, "receive", "receive"]


def test_what_is_sent_is_sent_one_after_the_other() -> None:
    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        tasks = [asyncio.create_task(host.handler.session.send(text)) for text in "abcd"]
        for text in "abcd":
            await host.until(lambda: host.sending)
            assert host.log[-1] == text
            assert len(host.sending) == 1
            host.let_go()
        await asyncio.gather(*tasks)
        host.end()

    assert converse(talk).log == ["a", "b", "c", "d"]


def test_senders_wait_while_the_host_does() -> None:
    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        session = host.handler.session
        tasks = [asyncio.create_task(session.send("x" * 1000)) for _ in range(9)]
        await asyncio.sleep(0)
        assert session.waiting_bytes > 5000
        for _ in tasks:
            await host.until(lambda: host.sending)
            host.let_go()
        await asyncio.gather(*tasks)
        host.end()

    converse(talk)


def test_more_is_received_while_an_answer_is_not_through() -> None:
    """A client that reads nothing may go; nobody would notice."""

    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        for text in ("one", "two", "three"):
            host.text(text)
            await host.until(lambda: host.receiving)
        host.end(1001)
        await host.until(lambda: host.handler.status)
        host.let_go()

    host = converse(talk)
    assert host.log[:2] == ["one", "receive"]
    assert host.handler.status.code == 1001


def test_the_application_ends_behind_what_is_being_sent() -> None:
    """granian would block its event loop for that."""

    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        host.text("one")
        await host.until(lambda: host.receiving)
        host.end()
        await host.until(lambda: host.handler.status)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not running.done()
        host.let_go()

    converse(talk)


@pytest.mark.parametrize("comes_from", ["the handler", "elsewhere", "a handler that is paused"])
def test_a_failing_send_ends_the_session(comes_from: str) -> None:
    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        if comes_from == "elsewhere":
            await host.handler.session.send("one")
        else:
            host.text("one")
            await host.until(lambda: host.receiving)
        if comes_from == "a handler that is paused":
            host.text("suspend")  # nothing is received until it has had its turns
        await host.until(lambda: host.sending)
        host.sending[0].set_exception(RuntimeError("the client has gone"))
        if comes_from == "the handler":
            await asyncio.sleep(0)
            host.text("two")

    host = converse(talk)
    assert host.handler.status.code == 1006
    assert host.handler.errors


def test_a_close_waits_for_what_is_sent_and_stops_what_receives() -> None:
    async def talk(host: Host, running: Any) -> None:
        host.holds = True
        host.text("one")
        await host.until(lambda: host.receiving)
        receiving = host.receiving
        assert receiving is not None
        closing = asyncio.create_task(host.handler.session.close(1001))
        await asyncio.sleep(0)
        assert host.log == ["one", "receive"]
        host.let_go()
        await host.until(lambda: host.sending)
        assert receiving.cancelled()
        host.let_go()
        await host.until(lambda: host.receiving is not receiving)
        host.end(1001)
        await closing

    host = converse(talk)
    assert host.log == ["one", "receive", "websocket.close", "receive"]
    assert host.handler.status.code == 1001


def test_an_end_that_comes_with_a_close_is_taken() -> None:
    async def talk(host: Host, running: Any) -> None:
        closing = asyncio.create_task(host.handler.session.close(1001))
        await asyncio.sleep(0)
        host.end()
        await closing

    assert converse(talk).log == ["websocket.close"]  # it is not asked for again


def test_nothing_is_taken_behind_a_message_over_the_limit() -> None:
    async def talk(host: Host, running: Any) -> None:
        taken = host.handler.session.connection._take
        for text in ("suspend", "x" * 2_000_000, "y" * 2_000_000, "after"):
            taken({"type": "websocket.receive", "text": text})
        await host.until(lambda: "websocket.close" in host.log)
        await host.until(lambda: host.receiving)
        host.end(1009)
        await running

    host = converse(talk)
    assert "suspend" in host.log
    assert "after" not in host.log
    assert host.handler.status.code == 1009
