"""Who closes while something else is going on: one status, one close frame, one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.compat.test_ends import DEADLINE, Callbacks, Running, codes

import turnout
from turnout import (
    CloseStatus,
    ConnectionClosed,
    Message,
    ProtocolError,
    StreamWebSocketHandler,
    TextMessage,
    UsageError,
    broadcast,
)


class Script(StreamWebSocketHandler):
    """Runs a coroutine function as its handler."""

    def __init__(self, function: Callable[[Any], Awaitable[None]]) -> None:
        self._function = function
        self.events: list[Any] = []
        self.error: BaseException | None = None

    async def handle(self, session: Any) -> None:
        try:
            await self._function(session)
        except BaseException as error:
            self.error = error
            raise

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.events.append(status.code)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test within the deadline."""

    async def within() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(within())


def test_close_by_another_task_ends_the_wait_for_a_message() -> None:
    async def main() -> None:
        async def receive(session: Any) -> None:
            await session.receive()

        script = Script(receive)
        running = Running(script)
        await running.turns(3)
        await running.connection.session.close(4001, "by another")
        await running.end()
        assert isinstance(script.error, ConnectionClosed)
        assert (script.error.code, script.error.by) == (4001, "local")
        assert running.connection.closes == [CloseStatus(4001, "by another")]
        assert codes(script) == [4001]

    run(main)


def test_both_sides_close_at_once() -> None:
    """This side was first: its status stays, and the peer's frame is the answer."""

    async def main() -> None:
        async def close(session: Any) -> None:
            await session.close(4001)

        script = Script(close)
        running = Running(script)
        await running.turns(3)
        running.connection.session.close_received(CloseStatus(4002))
        await running.end()
        assert running.connection.closes == [CloseStatus(4001)]
        assert running.connection.ended == "closed"
        assert codes(script) == [4001]

    run(main)


def test_close_in_after_connection_established() -> None:
    """Messages that have come already are not handled; the end comes once."""

    async def main() -> None:
        seen: list[Message] = []

        class Closes(Callbacks):
            async def after_connection_established(self, session: Any) -> None:
                await session.close(4003)

            async def handle_message(self, session: Any, message: Message) -> None:
                seen.append(message)

        handler = Closes()
        running = Running(handler)
        await running.turns(1)
        running.connection.deliver(TextMessage("x"))
        await running.turns(2)
        running.connection.session.close_received(CloseStatus(4003))
        await running.end()
        assert (codes(handler), seen) == ([4003], [])

    run(main)


def test_the_connection_is_lost_in_after_connection_established() -> None:
    async def main() -> None:
        class Slow(Callbacks):
            async def after_connection_established(self, session: Any) -> None:
                with pytest.raises(ConnectionClosed):
                    for _ in range(100):
                        await session.send("x")
                        await asyncio.sleep(0)

        handler = Slow()
        running = Running(handler)
        await running.turns(3)
        running.connection.lose(OSError("gone"))
        assert await running.end() is None
        assert codes(handler) == [1006]

    run(main)


def test_a_broadcast_that_ends_another_session_while_a_message_is_delivered() -> None:
    """The slow one is ended inside the fast one's callback, which goes on undisturbed."""

    async def main() -> None:
        slow, others = Callbacks(), list[Any]()

        class Tells(Callbacks):
            async def handle_message(self, session: Any, message: Message) -> None:
                broadcast(others, "x" * (1 << 20))
                await session.send("told")

        tells = Tells()
        first, second = Running(slow), Running(tells)
        await first.turns(5)
        others += [first.connection.session, second.connection.session]
        first.connection.session.pause_writing()
        for _ in range(3):
            second.connection.deliver(TextMessage("x"))
        await second.turns(5)
        await first.end()
        assert codes(slow) == [4500]
        told = [message for message in second.connection.sent if message.payload == "told"]
        assert len(told) == 3
        second.connection.lose()
        await second.end()
        assert codes(tells) == [1006]

    run(main)


def test_close_with_a_message_in_pieces_begun() -> None:
    """The close frame does not wait for pieces that will not come."""

    async def main() -> None:
        async def begin(session: Any) -> None:
            await session.send(TextMessage("a", is_last=False))
            sending = asyncio.get_running_loop().create_task(session.send("held back"))
            await asyncio.sleep(0)
            closing = asyncio.get_running_loop().create_task(session.close(4004))
            with pytest.raises(ConnectionClosed):
                await sending
            await closing

        script = Script(begin)
        running = Running(script)
        await running.end()
        assert script.error is None
        assert running.connection.closes == [CloseStatus(4004)]
        assert codes(script) == [4004]

    run(main)


def test_a_generator_that_is_being_sent_is_ended_with_the_session() -> None:
    """What it holds is given back at once, not when somebody collects it."""

    async def main() -> None:
        events: list[str] = []

        async def updates() -> AsyncIterator[str]:
            try:
                while True:
                    yield "update"
                    await asyncio.sleep(0)
            finally:
                await asyncio.sleep(0)
                events.append("given back")

        async def send(session: Any) -> None:
            kept = updates()  # no matter who else still knows it
            try:
                await session.send(kept)
            finally:
                events.append("sent")

        running = Running(Script(send))
        await running.turns(4)
        running.connection.lose()
        await running.end()
        assert events == ["given back", "sent"]

    run(main)


def test_a_task_that_receives_beside_the_callbacks_is_told() -> None:
    """The messages go to `handle_message`: it would wait for ever."""

    async def main() -> None:
        handler = Callbacks()
        running = Running(handler)
        await running.turns(6)
        with pytest.raises(UsageError, match="two tasks receive"):
            await running.connection.session.receive()
        running.connection.lose()
        assert await running.end() is None
        assert codes(handler) == [1006]

    run(main)


def test_a_callback_may_receive_the_next_message_itself() -> None:
    """As a question and its answer; afterwards messages come to the callback again."""

    async def main() -> None:
        seen: list[str] = []

        class Asks(Callbacks):
            async def handle_message(self, session: Any, message: Message) -> None:
                seen.append(f"{message.payload} {(await session.receive()).payload}")

        handler = Asks()
        running = Running(handler)
        await running.turns(6)
        for text in ("a", "b", "c", "d"):
            running.connection.deliver(TextMessage(text))
            await running.turns(4)
        assert seen == ["a b", "c d"]
        running.connection.lose()
        assert await running.end() is None
        assert codes(handler) == [1006]

    run(main)


def test_a_message_that_comes_while_a_callback_runs_waits_for_it() -> None:
    """Also when the callback itself made the engine deliver it."""

    async def main() -> None:
        order: list[str] = []

        class Nested(Callbacks):
            async def handle_message(self, session: Any, message: Message) -> None:
                order.append(f"begin {message.payload}")
                if message.payload == "first":
                    session.message_received(TextMessage("second"))
                order.append(f"end {message.payload}")

        handler = Nested()
        running = Running(handler)
        await running.turns(6)
        running.connection.deliver(TextMessage("first"))
        await running.turns(4)
        running.connection.deliver(TextMessage("third"))
        await running.turns(4)
        running.connection.lose()
        await running.end()
        assert order == [
            f"{word} {name}" for name in ("first", "second", "third") for word in ("begin", "end")
        ]

    run(main)


class EchoCallbacks(Callbacks):
    """Answers in `handle_message`, after a wait or at once."""

    def __init__(self, wait: bool) -> None:
        super().__init__()
        self._wait = wait

    async def handle_message(self, session: Any, message: Message) -> None:
        if self._wait:
            await turnout.sleep(0)
        await session.send(message)


class PlainEcho(StreamWebSocketHandler):
    """Answers from the thread of its connection."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def handle(self, session: Any) -> None:
        for message in session:
            session.send(message)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.events.append(status.code)


async def echo(session: Any) -> None:
    """Answer as a stream handler."""
    async for message in session:
        await session.send(message)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Script(echo),
        lambda: EchoCallbacks(wait=False),
        lambda: EchoCallbacks(wait=True),
        PlainEcho,
    ],
    ids=["stream", "callbacks", "waiting callbacks", "thread"],
)
@pytest.mark.parametrize("turns", [0, 6], ids=["new", "idle"])
def test_what_came_with_a_violation_is_answered_before_the_close(
    make: Callable[[], Any], turns: int
) -> None:
    """Messages and violation arrive in one read, at a handler that has or has not begun yet."""

    async def main() -> None:
        handler = make()
        running = Running(handler)
        await running.turns(1 + turns)
        session = running.connection.session
        for number in range(3):
            session.message_received(TextMessage(str(number)))
        session.failed(CloseStatus(1002), ProtocolError("broken"))
        await running.end()
        assert [one.payload for one in running.connection.sent] == ["0", "1", "2"]
        assert running.connection.closes == [CloseStatus(1002)]
        assert codes(handler) == [1002]
        running.check_nothing_left()

    run(main)
