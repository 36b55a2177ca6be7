"""Every way out of a session on asyncio: the handler learns of its end once, and nothing is left.

The engine is a list of what was sent; runtime, service, session and hosts are the real ones.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from tests.session.manual import ManualConnection

import turnout
import turnout.blocking
from turnout import (
    CloseStatus,
    Headers,
    Message,
    StreamWebSocketHandler,
    TextMessage,
    Upgrade,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketService,
)
from turnout.runtime import set_current_runtime
from turnout_adapters.wsproto import WsprotoStrategy
from turnout_compat.asyncio_runtime import AsyncioRuntime

DEADLINE = 10.0
CLOSE_TIMEOUT = 0.02


class LoopConnection(ManualConnection):
    """A manual connection that tells its session of its end, as engines do: soon, and once."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = False

    def deliver(self, message: Message) -> None:
        """Deliver a message in the next turn of the loop, and in no task."""
        asyncio.get_running_loop().call_soon(self.session.message_received, message)

    def lose(self, error: Exception | None = None) -> None:
        """Lose the connection in the next turn of the loop."""
        asyncio.get_running_loop().call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost and hasattr(self, "session"):
            self._lost = True
            self.session.connection_lost(error)

    def close(self) -> None:
        super().close()
        self.lose()

    def abort(self) -> None:
        super().abort()
        self.lose()


class Running:
    """One session in a task of its own."""

    def __init__(
        self,
        handler: Any,
        on_upgraded: Callable[[], Awaitable[None]] | None = None,
        **settings: Any,
    ) -> None:
        options = WebSocketOptions(close_timeout=CLOSE_TIMEOUT)
        self.registry = WebSocketHandlerRegistry(options=options)
        prepared = self.registry.add_handler(handler, "/", **settings).prepared
        self.service = WebSocketService(self.registry, WsprotoStrategy(), AsyncioRuntime())
        self.connection = LoopConnection()
        set_current_runtime(self.service.runtime)
        upgrade = Upgrade(
            uri="ws://test/",
            headers=Headers(),
            path_variables={},
            attributes={},
            principal=None,
            sub_protocol=None,
            extensions=(),
            deflate=None,
            response_headers=[],
            handler=prepared,
            options=options,
            service=self.service,
            on_upgraded=on_upgraded,
        )
        self.task = asyncio.get_running_loop().create_task(upgrade.run(self.connection))

    async def turns(self, count: int) -> None:
        """Let the loop turn."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def end(self) -> BaseException | None:
        """Wait for the end of the task, and return what it ended with."""
        done, _ = await asyncio.wait([self.task], timeout=DEADLINE)
        assert done, "the session does not end"
        await asyncio.sleep(0)  # the connection tells of its end
        return asyncio.CancelledError() if self.task.cancelled() else self.task.exception()

    def check_nothing_left(self) -> None:
        """Raise `AssertionError` if service, registry or engine have the session."""
        assert len(self.service) == 0
        assert not self.registry.sessions
        assert self.connection.session.state == "closed"


class Callbacks(WebSocketHandler):
    """Waits in every callback."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def after_connection_established(self, session: Any) -> None:
        self.events.append("established")
        await turnout.sleep(0)

    async def handle_message(self, session: Any, message: Message) -> None:
        await turnout.sleep(0)
        await turnout.sleep(0)

    async def handle_transport_error(self, session: Any, error: Exception) -> None:
        await turnout.sleep(0)
        await turnout.sleep(0)

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.events.append(status.code)
        await turnout.sleep(0)


class Stream(StreamWebSocketHandler):
    """Reads until the end."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def handle(self, session: Any) -> None:
        async for _ in session:
            await turnout.sleep(0)

    async def handle_transport_error(self, session: Any, error: Exception) -> None:
        await turnout.sleep(0)

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.events.append(status.code)
        await turnout.sleep(0)


class Plain(WebSocketHandler):
    """The same in plain code."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def handle_message(self, session: Any, message: Message) -> None:
        turnout.blocking.sleep(0)

    def handle_transport_error(self, session: Any, error: Exception) -> None:
        turnout.blocking.sleep(0)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.events.append(status.code)


HANDLERS = pytest.mark.parametrize(
    ("make", "settings"),
    [(Callbacks, {}), (Stream, {}), (Plain, {}), (Plain, {"bridge": "greenlet"})],
    ids=["callbacks", "stream", "thread", "greenlet"],
)


def codes(handler: Any) -> list[Any]:
    """Return the codes that `after_connection_closed` was called with."""
    return [event for event in handler.events if event != "established"]


@HANDLERS
@pytest.mark.parametrize("again", [None, 1, 3])
def test_cancelled_at_any_moment(make: Any, settings: Any, again: int | None) -> None:
    """Once or twice, before, during and after a message and the loss of the connection."""

    async def one(turn: int) -> None:
        handler = make()
        running = Running(handler, **settings)
        for now in itertools.count():
            await asyncio.sleep(0)
            if now == 4:
                running.connection.deliver(TextMessage("x"))
            if now == 9:
                running.connection.lose(OSError("gone"))
            if now == turn or (again is not None and now == turn + again):
                running.task.cancel()
            if now > turn + 4:
                break
        await running.end()
        assert len(codes(handler)) == 1, turn
        running.check_nothing_left()

    async def main() -> None:
        for turn in range(22):
            await one(turn)

    asyncio.run(main())


def test_cancelled_between_the_101_and_the_session() -> None:
    """An interceptor is being told of the 101: the connection must not stay behind."""

    async def main() -> None:
        told = asyncio.Event()

        async def on_upgraded() -> None:
            told.set()
            await asyncio.Event().wait()

        handler = Callbacks()
        running = Running(handler, on_upgraded)
        await told.wait()
        running.task.cancel()
        assert isinstance(await running.end(), asyncio.CancelledError)
        assert running.connection.ended == "aborted"
        assert len(running.service) == 0

    asyncio.run(main())


def test_lost_before_the_session_begins() -> None:
    """The engine says so as soon as it is asked to start."""

    async def main() -> None:
        handler = Callbacks()

        class LostAtStart(LoopConnection):
            def start(self) -> None:
                self._lose(OSError("gone"))

        running = Running(handler)
        running.connection.__class__ = LostAtStart
        assert await running.end() is None
        assert handler.events == ["established", 1006]

    asyncio.run(main())


def test_an_engine_that_cannot_start_still_ends_the_session() -> None:
    """What it raised goes on to the engine; the handler has its end."""

    async def main() -> None:
        handler = Callbacks()

        class Broken(LoopConnection):
            def start(self) -> None:
                raise RuntimeError("cannot start")

        running = Running(handler)
        running.connection.__class__ = Broken
        assert isinstance(await running.end(), RuntimeError)
        assert len(codes(handler)) == 1
        running.check_nothing_left()

    asyncio.run(main())


class Exit(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("where", ["after_connection_established", "handle_message"])
def test_a_base_exception_of_the_handler(where: str) -> None:
    """It goes through, after the session was closed and the handler told."""

    async def main() -> None:
        handler = Callbacks()

        async def leave(*arguments: Any) -> None:
            raise Exit

        setattr(handler, where, leave)
        running = Running(handler)
        await running.turns(3)
        running.connection.deliver(TextMessage("x"))
        assert isinstance(await running.end(), Exit)
        assert len(codes(handler)) == 1
        running.check_nothing_left()

    asyncio.run(main())


def test_a_base_exception_of_handle_transport_error() -> None:
    async def main() -> None:
        handler = Callbacks()

        async def leave(*arguments: Any) -> None:
            raise Exit

        setattr(handler, "handle_transport_error", leave)  # noqa: B010  # of a type of its own
        running = Running(handler)
        await running.turns(3)
        running.connection.lose(OSError("gone"))
        assert isinstance(await running.end(), Exit)
        assert codes(handler) == [1006]

    asyncio.run(main())


def test_cancelled_with_a_thread_that_does_not_return(caplog: pytest.LogCaptureFixture) -> None:
    """The host gives the connection up; the thread is named, and the end is told in another."""
    release = threading.Event()

    async def main() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        class Stuck(Plain):
            def handle_message(self, session: Any, message: Message) -> None:
                loop.call_soon_threadsafe(begun.set)
                release.wait(DEADLINE)

        handler = Stuck()
        running = Running(handler)
        await running.turns(2)
        running.connection.deliver(TextMessage("x"))
        await begun.wait()
        running.task.cancel()
        try:
            assert isinstance(await running.end(), asyncio.CancelledError)
            assert codes(handler) == [1001]
            assert "still runs the handler" in caplog.text
        finally:
            release.set()

    with caplog.at_level(logging.ERROR, "turnout.handler"):
        asyncio.run(main())


def test_a_handler_that_swallows_its_cancellation_ends_in_order() -> None:
    """It was cancelled at `close_timeout`, and returned: that is an end like any other."""

    async def main() -> None:
        class Swallows(Stream):
            async def handle(self, session: Any) -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.events.append("cancelled")

        handler = Swallows()
        running = Running(handler)
        await running.turns(2)
        running.connection.lose()
        assert await running.end() is None
        assert handler.events == ["cancelled", 1006]
        running.check_nothing_left()

    asyncio.run(main())


def test_a_handler_that_goes_on_after_its_cancellation_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing can end it; the log says so, and it learns of the end when it has ended itself."""

    async def main() -> None:
        cancelled, release = asyncio.Event(), asyncio.Event()

        class GoesOn(Stream):
            async def handle(self, session: Any) -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.set()
                    await release.wait()

        handler = GoesOn()
        running = Running(handler)
        await running.turns(2)
        running.connection.lose()
        async with asyncio.timeout(DEADLINE):
            await cancelled.wait()
        assert codes(handler) == []
        assert "was cancelled: close_timeout" in caplog.text
        release.set()
        assert await running.end() is None
        assert codes(handler) == [1006]

    with caplog.at_level(logging.WARNING, "turnout.handler"):
        asyncio.run(main())


def test_the_task_is_as_before_after_a_swallowed_cancellation() -> None:
    """A host that goes on in the same task must not take the deadline for its own cancellation."""

    async def main() -> None:
        class Swallows(Stream):
            async def handle(self, session: Any) -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    return

        running = Running(Swallows())
        counts: list[int] = []

        async def host() -> None:
            await cast("Any", running.task)
            task = asyncio.current_task()
            assert task is not None
            counts.append(task.cancelling())

        await running.turns(2)
        running.connection.lose()
        await host()
        await running.end()
        assert (running.task.cancelling(), counts) == (0, [0])

    asyncio.run(main())


def test_a_callback_may_return_any_awaitable() -> None:
    """A decorator returns what it likes: a future, a task, or a coroutine."""
    events: list[str] = []

    class Futures(WebSocketHandler):
        async def after_connection_established(self, session: Any) -> None:
            events.append("established")

    class Later(turnout.WebSocketHandlerDecorator):
        def handle_message(self, session: Any, message: Message) -> Any:
            async def handle() -> None:
                await asyncio.sleep(0)
                events.append(message.payload)

            return asyncio.ensure_future(handle())

    async def main() -> None:
        running = Running(Later(Futures()))
        await running.turns(3)
        for text in ("one", "two"):
            running.connection.deliver(TextMessage(text))
        await running.turns(6)
        running.connection.lose()
        assert await running.end() is None

    asyncio.run(main())
    assert events == ["established", "one", "two"]
