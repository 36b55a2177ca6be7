"""A callback that is stepped where its message arrives behaves as if its task had awaited it."""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from turnout import ServerSettings, WebSocketHandler, WebSocketHandlerRegistry
from turnout_adapters.wsproto import start

DEADLINE = 5.0
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

Callback = Callable[[Any, str], Awaitable[None]]


class Recording(WebSocketHandler):
    """Runs one callback per text message and remembers how it ended."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.outcomes: list[object] = []
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.session: Any = None

    async def after_connection_established(self, session: Any) -> None:
        self.session = session
        await session.send("ready")

    async def handle_text_message(self, session: Any, message: Any) -> None:
        try:
            await self.callback(session, message.payload)
        except BaseException as error:
            self.outcomes.append(type(error))
            raise
        self.outcomes.append("ended")

    async def after_connection_closed(self, session: Any, status: Any) -> None:
        self.closed.set_result(status.code)


async def run(
    callback: Callback, talk: Callable[[ClientConnection, Recording], Awaitable[object]]
) -> Recording:
    """Serve the callback, let a client talk to it, and return what happened."""
    registry = WebSocketHandlerRegistry()
    handler = Recording(callback)
    registry.add_handler(handler, "/")
    server = await start(registry, ServerSettings(port=0))
    assert isinstance(server.address, tuple)
    url = f"ws://{server.address[0]}:{server.address[1]}/"
    async with asyncio.timeout(DEADLINE):
        async with connect(url, compression=None) as client:
            assert await client.recv() == "ready"
            await talk(client, handler)
        await handler.closed
        await server.stop()
    return handler


async def ask(client: ClientConnection, text: str) -> object:
    """Send a text and return the answer."""
    await client.send(text)
    return await client.recv()


def test_current_task_is_the_same_before_and_after_a_suspension() -> None:
    """The callback runs inside the connection's task from its first line on."""
    tasks = []

    async def callback(session: Any, text: str) -> None:
        tasks.append(asyncio.current_task())
        if text == "suspend":
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())
        await session.send(text)

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "at once") == "at once"
        assert await ask(client, "suspend") == "suspend"

    asyncio.run(run(callback, talk))
    assert len(tasks) == 3
    assert tasks[0] is not None
    assert len(set(tasks)) == 1


def test_context_variables_stay_within_the_connection() -> None:
    """What a callback sets is seen by the next one, and not by the event loop."""
    seen = []

    async def callback(session: Any, text: str) -> None:
        seen.append(variable.get())
        variable.set(variable.get() + 1)
        if text == "suspend":
            await asyncio.sleep(0)
            variable.set(variable.get() + 10)
        await session.send(str(variable.get()))

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "at once") == "1"
        assert await ask(client, "suspend") == "12"
        assert await ask(client, "at once") == "13"
        assert variable.get() == 0

    asyncio.run(run(callback, talk))
    assert seen == [0, 1, 12]


def test_timeout_interrupts_a_stepped_callback() -> None:
    """`asyncio.timeout` ends the body, and the callback goes on behind it."""

    async def callback(session: Any, text: str) -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            await session.send("timed out")

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "x") == "timed out"
        assert await ask(client, "x") == "timed out"

    assert asyncio.run(run(callback, talk)).outcomes == ["ended", "ended"]


def test_timeout_that_has_passed_already() -> None:
    """A deadline in the past interrupts at the first suspension."""

    async def callback(session: Any, text: str) -> None:
        try:
            async with asyncio.timeout(-1):
                await asyncio.Event().wait()
        except TimeoutError:
            await session.send("timed out")

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "x") == "timed out"

    assert asyncio.run(run(callback, talk)).outcomes == ["ended"]


def test_task_group_cancels_its_tasks_and_raises() -> None:
    """A group inside a stepped callback works as in any task."""
    cancelled = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def failing() -> None:
        raise ValueError

    async def callback(session: Any, text: str) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(endless())
                await asyncio.sleep(0)
                group.create_task(failing())
        except* ValueError:
            await session.send("group failed")

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "x") == "group failed"

    assert asyncio.run(run(callback, talk)).outcomes == ["ended"]
    assert cancelled == [True]


def test_messages_behind_a_suspended_callback_wait_their_turn() -> None:
    """Callbacks of one session never overlap, and keep the order of the messages."""
    running = 0

    async def callback(session: Any, text: str) -> None:
        nonlocal running
        running += 1
        assert running == 1
        if text == "suspend":
            await asyncio.sleep(0.01)
        running -= 1
        await session.send(text)

    async def talk(client: ClientConnection, _: Recording) -> None:
        texts = ["a", "suspend", "b", "suspend", "c", "d"]
        for text in texts:
            await client.send(text)
        assert [await client.recv() for _ in texts] == texts

    asyncio.run(run(callback, talk))


def test_cancellation_between_the_suspension_and_the_hand_over() -> None:
    """What the callback waits for is cancelled, as `Task.cancel` would have done it."""
    inner: list[asyncio.Future[None]] = []

    async def callback(session: Any, text: str) -> None:
        future = asyncio.get_running_loop().create_future()
        inner.append(future)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await future

    async def talk(client: ClientConnection, handler: Recording) -> None:
        await client.send("x")
        await client.wait_closed()

    handler = asyncio.run(run(callback, talk))
    assert handler.outcomes == [asyncio.CancelledError]
    assert inner[0].cancelled()
    assert handler.closed.result() == 1001


def test_cancellation_after_the_hand_over() -> None:
    """A callback that hangs after its session has ended is cancelled at close_timeout."""

    async def callback(session: Any, text: str) -> None:
        await asyncio.Event().wait()

    async def main() -> Recording:
        registry = WebSocketHandlerRegistry()
        handler = Recording(callback)
        registry.add_handler(handler, "/").set_options(close_timeout=0.05)
        server = await start(registry, ServerSettings(port=0))
        assert isinstance(server.address, tuple)
        url = f"ws://{server.address[0]}:{server.address[1]}/"
        async with asyncio.timeout(DEADLINE):
            async with connect(url, compression=None) as client:
                assert await client.recv() == "ready"
                await client.send("x")
            assert await handler.closed == 1000
            await server.stop()
        return handler

    assert asyncio.run(main()).outcomes == [asyncio.CancelledError]


@pytest.mark.parametrize("suspend", [False, True])
def test_an_exception_of_a_stepped_callback_closes_with_1011(suspend: bool) -> None:
    """Raised before or after a suspension, it ends the session the same way."""

    async def callback(session: Any, text: str) -> None:
        if suspend:
            await asyncio.sleep(0)
        raise ValueError(text)

    async def talk(client: ClientConnection, _: Recording) -> None:
        await client.send("x")
        await client.wait_closed()
        assert client.close_code == 1011

    handler = asyncio.run(run(callback, talk))
    assert handler.outcomes == [ValueError]
    assert handler.closed.result() == 1011


def test_a_callback_runs_where_its_message_arrives() -> None:
    """The first line of a callback runs inside the engine's `data_received`."""
    callers: list[set[str]] = []

    async def callback(session: Any, text: str) -> None:
        callers.append({frame.name for frame in traceback.extract_stack()})
        await session.send(text)

    async def talk(client: ClientConnection, _: Recording) -> None:
        assert await ask(client, "x") == "x"

    asyncio.run(run(callback, talk))
    assert "data_received" in callers[0]
