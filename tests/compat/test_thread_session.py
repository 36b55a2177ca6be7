"""The session of a plain handler's thread, where thread and loop meet."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.compat.test_ends import DEADLINE, Running

from turnout import (
    CloseStatus,
    ConnectionClosed,
    StreamWebSocketHandler,
    TextMessage,
    UsageError,
)
from turnout.errors import ProtocolError
from turnout_compat.asyncio_threads import ThreadInbox
from turnout_compat.threads_runtime import ThreadsRuntime, ThreadTask


class Script(StreamWebSocketHandler):
    """Runs a function as its handler, and keeps what it raised and how the session ended."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function
        self.error: BaseException | None = None
        self.codes: list[int] = []

    def handle(self, session: Any) -> None:
        try:
            self._function(session)
        except BaseException as error:
            self.error = error
            raise

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.codes.append(status.code)


def run(
    function: Callable[[Any], object], beside: Callable[[Running], Awaitable[None]] | None = None
) -> Script:
    """Run a function as a plain handler, within the deadline, while `beside` runs in the loop."""
    script = Script(function)

    async def main() -> None:
        running = Running(script)
        async with asyncio.timeout(DEADLINE):
            if beside is not None:
                await beside(running)
            await running.task

    asyncio.run(main())
    return script


@pytest.mark.parametrize("name", ["send", "send_text"])
def test_text_that_cannot_be_encoded_is_the_senders_error(name: str) -> None:
    """It is raised where it was sent, and what follows is sent."""

    def handler(session: Any) -> None:
        with pytest.raises(UnicodeEncodeError):
            getattr(session, name)("\ud800")
        session.send("fine \u00e4")

    sent: list[Any] = []

    async def beside(running: Running) -> None:
        await running.task
        sent.extend(message.payload for message in running.connection.sent)

    script = run(handler, beside)
    assert script.error is None
    assert sent == ["fine \u00e4"]


def test_an_engine_that_raises_holds_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """The sender has gone on: the log has the error, and the next message is sent."""
    sent: list[Any] = []

    async def beside(running: Running) -> None:
        send = running.connection.send

        def refuse(message: Any) -> None:
            if message.payload == "bad":
                raise OSError("no way")
            send(message)

        running.connection.send = refuse  # type: ignore[method-assign]
        await running.task
        sent.extend(message.payload for message in running.connection.sent)

    def handler(session: Any) -> None:
        session.send("bad")
        session.send("good")

    script = run(handler, beside)
    assert sent == ["good"]
    assert script.codes == [1000]
    assert "no way" in caplog.text


def test_an_engine_that_raises_later_holds_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """The same for a message that had to wait for the engine."""
    sent: list[Any] = []

    async def beside(running: Running) -> None:
        send = running.connection.send

        def refuse(message: Any) -> None:
            if message.payload == "bad":
                raise OSError("no way")
            send(message)

        running.connection.send = refuse  # type: ignore[method-assign]
        running.connection.session.pause_writing()
        async with asyncio.timeout(DEADLINE):
            while not running.connection.session.waiting_bytes:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.001)
        running.connection.session.resume_writing()
        await running.task
        sent.extend(message.payload for message in running.connection.sent)

    def handler(session: Any) -> None:
        session.receive()
        session.send("bad")
        session.send("good")

    async def with_a_message(running: Running) -> None:
        await running.turns(3)
        running.connection.deliver(TextMessage("go"))
        await beside(running)

    run(handler, with_a_message)
    assert sent == ["good"]
    assert "no way" in caplog.text


def test_two_threads_that_receive_are_told() -> None:
    """One of them would be forgotten when a message comes, and wait for ever."""
    waiting = threading.Event()
    errors: list[Exception] = []

    def handler(session: Any) -> None:
        def other() -> None:
            waiting.wait(DEADLINE)
            try:
                session.receive()
            except UsageError as error:
                errors.append(error)
            finally:
                session._session._runtime.call_inside(session._session.connection.lose)

        thread = threading.Thread(target=other)
        thread.start()
        waiting.set()
        try:
            session.receive()
        except UsageError as error:  # the other one was first
            errors.append(error)
        except ConnectionClosed:
            pass
        thread.join(DEADLINE)
        assert not thread.is_alive()

    run(handler)
    assert len(errors) == 1
    assert "two threads receive" in str(errors[0])


def test_a_close_from_elsewhere_ends_the_wait_for_a_message() -> None:
    """Both in the loop and in another thread."""

    async def beside(running: Running) -> None:
        await running.turns(3)
        session = running.connection.session
        await asyncio.to_thread(session.blocking.close, 4010)

    def handler(session: Any) -> None:
        with pytest.raises(ConnectionClosed) as raised:
            session.receive()
        assert raised.value.code == 4010

    script = run(handler, beside)
    assert script.error is None
    assert script.codes == [4010]


@pytest.mark.parametrize("failed", ["before the thread is through", "after that"])
def test_failure_comes_behind_an_answer_on_its_way_to_the_loop(
    failed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is through with the message, but the loop has not seen yet what it sent."""
    through = threading.Event()
    came_back = ThreadInbox._came_back

    def noted(inbox: ThreadInbox) -> None:
        came_back(inbox)
        through.set()

    monkeypatch.setattr(ThreadInbox, "_came_back", noted)
    sent: list[Any] = []

    async def beside(running: Running) -> None:
        assert await asyncio.to_thread(through.wait, DEADLINE)
        through.clear()
        session = running.connection.session
        session.message_received(TextMessage("asked"))
        if failed.startswith("before"):
            session.failed(CloseStatus(1002), ProtocolError("a violation"))
        assert through.wait(DEADLINE)  # the loop stands still meanwhile
        if failed.startswith("after"):
            session.failed(CloseStatus(1002), ProtocolError("a violation"))
        await running.turns(3)
        sent.extend(message.payload for message in running.connection.sent)
        assert not session.is_open

    def handler(session: Any) -> None:
        for _ in session:
            session.send("answered")

    run(handler, beside)
    assert sent == ["answered"]


def test_a_timer_that_raises_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """All timers of a process's threads share one thread."""
    runtime, called = ThreadsRuntime(), threading.Event()

    def raise_error() -> None:
        raise ValueError("in a timer")

    runtime.call_later(0.0, raise_error)
    runtime.call_later(0.0, called.set)
    assert called.wait(DEADLINE)
    assert "in a timer" in caplog.text


@pytest.mark.parametrize("asked", [False, True])
def test_an_error_that_nobody_asks_for_is_logged(
    asked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    begin = threading.Event()

    def divide() -> None:
        assert begin.wait(DEADLINE)
        raise ZeroDivisionError

    task = ThreadTask(divide, "divider")
    (thread,) = [one for one in threading.enumerate() if one.name == "divider"]
    begin.set()
    thread.join(DEADLINE)
    if asked:
        with pytest.raises(ZeroDivisionError):
            task.result()
    del task, thread
    gc.collect()
    assert ("the task divider raised, and nobody asked" in caplog.text) is not asked
