"""Sessions on plain threads: how handlers of both colours run, and how they end."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

import pytest
from tests.compat.threads.hosting import DEADLINE, Driven, Plain, hosted

import turnout
import turnout.blocking
from turnout import ConnectionClosed, ForeignAwaitableError, UsageError
from turnout.testing.client import RawClient
from turnout_compat.threads_io import IoRuntime


async def echo(session: Any) -> None:
    async for message in session:
        await session.send(message)


def plain_echo(session: Any) -> None:
    for message in session:
        session.send(message)


def check_echo(client: RawClient) -> None:
    """Send a message there and back."""
    client.send_text("hello")
    assert client.read_text() == "hello"


@pytest.mark.parametrize("handler", [Driven(echo), Plain(plain_echo)], ids=["async", "plain"])
def test_a_handler_runs_in_the_thread_of_its_connection(handler: Any) -> None:
    threads = []
    inner = handler.function

    def noting(session: Any) -> Any:
        threads.append(threading.current_thread())
        return inner(session)

    handler.function = noting
    with hosted() as server:
        client = server.connect(handler)
        check_echo(client)
        assert threads == [server.thread]
        assert server.thread.name.startswith("turnout-")  # it says which session it is for
        assert client.close(4001, "bye") == (4001, "bye")
    assert handler.codes == [4001]


def test_a_handler_on_asyncio_runs_in_the_io_thread() -> None:
    async def on_asyncio(session: Any) -> None:
        async for message in session:
            await asyncio.sleep(0)
            await session.send(f"{message.payload} in {threading.current_thread().name}")

    with hosted() as server:
        client = server.connect(Driven(on_asyncio), async_runtime="asyncio")
        client.send_text("hello")
        assert client.read_text() == "hello in turnout-io"
        client.close()


def test_what_only_an_event_loop_can_complete_names_the_fix() -> None:
    async def foreign(session: Any) -> None:
        await asyncio.sleep(0)

    handler = Driven(foreign)
    with hosted() as server:
        client = server.connect(handler)
        assert client.read_close()[0] == 1011
    assert isinstance(handler.error, RuntimeError | ForeignAwaitableError)


def test_every_call_of_a_session_from_a_driven_coroutine() -> None:
    seen: list[Any] = []

    async def everything(session: Any) -> None:
        await session.send("send")
        await session.send_text("text")
        await session.send_binary(b"binary")
        await session.send([f"many {number}" for number in range(3)])
        await session.pong(b"beat")
        seen.append(await session.ping(b"one"))
        seen.append((await session.receive()).payload)
        await session.close(4002, "enough")
        seen.append((await session.wait_closed()).code)
        with pytest.raises(ConnectionClosed):
            await session.send("late")
        with pytest.raises(ConnectionClosed):
            await session.receive()

    handler = Driven(everything)
    with hosted() as server:
        client = server.connect(handler)
        assert [client.read_message().payload for _ in range(3)] == ["send", "text", b"binary"]
        assert [client.read_text() for _ in range(3)] == ["many 0", "many 1", "many 2"]
        assert client.read_frame().payload == b"beat"
        client.send_pong(client.read_frame().payload)
        client.send_text("received")
        assert client.answer_close() == (4002, "enough")
        assert handler.closed.wait(DEADLINE)
    assert handler.error is None
    assert 0 <= seen[0] < DEADLINE
    assert seen[1:] == ["received", 4002]


def test_a_mistake_is_raised_where_it_was_made() -> None:
    async def mistaken(session: Any) -> None:
        with pytest.raises(turnout.InvalidCloseError):
            await session.close(999)
        with pytest.raises(UnicodeEncodeError):
            await session.send("\ud800")
        with pytest.raises(TypeError):
            await session.send({"a": 1})
        await session.send("unharmed")

    handler = Driven(mistaken)
    with hosted() as server:
        client = server.connect(handler)
        assert client.read_text() == "unharmed"
        assert client.answer_close() == (1000, "")
    assert handler.error is None


def test_two_threads_that_receive_are_told() -> None:
    errors: list[BaseException] = []

    async def twice(session: Any) -> None:
        async def receive() -> None:
            try:
                await session.receive()
            except UsageError as error:
                errors.append(error)

        async with turnout.TaskGroup() as group:
            group.spawn(receive())
            group.spawn(receive())

    with hosted() as server:
        client = server.connect(Driven(twice))
        while not errors:
            time.sleep(0.001)  # the second thread looks for itself
        client.send_text("for the first")
        assert client.answer_close()[0] == 1000
    assert "two threads receive" in str(errors[0])


def test_context_variables_reach_the_handler_and_do_not_leave_it() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    def look(session: Any) -> None:
        seen.append(variable.get())
        variable.set("of the handler")

    handler = Plain(look)
    with hosted() as server:
        server.connect(handler).answer_close()
    assert seen == ["unset"]
    assert variable.get() == "unset"


def test_plain_and_driven_helpers_wait_side_by_side() -> None:
    async def wait(session: Any) -> None:
        async with turnout.timeout(0.05):
            await turnout.sleep(60)

    handler = Driven(wait)
    with hosted() as server:
        client = server.connect(handler)
        assert client.read_close()[0] == 1011
    assert isinstance(handler.error, TimeoutError)


# The end


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_an_overdue_handler_is_cancelled_at_its_next_wait(
    colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    waits = threading.Event()

    async def sleep(session: Any) -> None:
        waits.set()
        await turnout.sleep(600)

    def plain_sleep(session: Any) -> None:
        waits.set()
        turnout.blocking.sleep(600)

    handler: Any = Driven(sleep) if colour == "async" else Plain(plain_sleep)
    with hosted(close_timeout=0.1) as server:
        client = server.connect(handler)
        assert waits.wait(DEADLINE)
        client.send_close(1000)
        assert client.read_close()[0] == 1000
        assert handler.closed.wait(DEADLINE)
    assert handler.codes == [1000]
    assert "was cancelled: close_timeout" in caplog.text


def test_what_is_told_at_the_end_of_a_cancelled_handler_may_wait() -> None:
    class Slow(Driven):
        async def after_connection_closed(self, session: Any, status: Any) -> None:
            await turnout.sleep(0.01)
            await super().after_connection_closed(session, status)

    async def sleep(session: Any) -> None:
        await turnout.sleep(600)

    handler = Slow(sleep)
    with hosted(close_timeout=0.05) as server:
        server.connect(handler).send_close(1000)
        assert handler.closed.wait(DEADLINE)
    assert handler.codes == [1000]


def test_a_thread_that_does_not_return_is_named_and_its_session_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, release = threading.Event(), threading.Event()

    def wait(session: Any) -> None:
        stuck.set()
        release.wait(DEADLINE)

    handler = Plain(wait)
    with hosted(close_timeout=0.05) as server:
        client = server.connect(handler)
        assert stuck.wait(DEADLINE)
        client.send_close(1000)
        assert handler.closed.wait(DEADLINE)
        assert handler.codes == [1000]
        name = server.thread.name
        deadline = time.monotonic() + DEADLINE
        while len(server.service):  # the books are closed soon after the handler was told
            assert time.monotonic() < deadline
        assert server.thread.is_alive()
        release.set()
    named = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert len(named) == 1
    assert f"thread {name} still runs" in named[0]
    assert handler.codes == [1000]


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_a_session_that_begins_while_the_server_drains_ends_at_once(colour: str) -> None:
    handler: Any = Driven(echo) if colour == "async" else Plain(plain_echo)
    with hosted(close_timeout=600) as server:
        server.service.draining = True
        client = server.connect(handler)
        assert client.answer_close() == (1001, "")
        assert handler.closed.wait(DEADLINE)
    assert handler.codes == [1001]


def test_draining_from_any_thread_closes_everyone() -> None:
    handlers: list[Any] = [Driven(echo), Plain(plain_echo), Driven(echo)]
    with hosted() as server:
        clients = [server.connect(one) for one in handlers[:2]]
        clients.append(server.connect(handlers[2], async_runtime="asyncio"))
        for client in clients:
            check_echo(client)
        runtime = server.service.runtime
        draining = threading.Thread(
            target=lambda: runtime.call_blocking(server.service.drain(code=1012, reason="soon"))
        )
        draining.start()
        assert [client.answer_close() for client in clients] == [(1012, "soon")] * 3
        draining.join(DEADLINE)
        assert not draining.is_alive()
        assert len(server.service) == 0
    assert [handler.codes for handler in handlers] == [[1012]] * 3


def test_a_handler_drains_its_own_registry() -> None:
    draining: list[Any] = []

    async def drain(session: Any) -> None:
        draining.append(turnout.spawn(server.registry.drain(code=1012)))
        await session.receive()

    with hosted() as server:
        client = server.connect(Driven(drain))
        assert client.answer_close()[0] == 1012


def test_the_end_of_the_io_thread_ends_its_sessions_and_a_later_one_gets_another() -> None:
    handler = Driven(echo)
    with hosted() as server:
        io = IoRuntime.shared().start()
        client = server.connect(handler)
        check_echo(client)
        stopping = threading.Thread(target=io.stop)
        stopping.start()
        assert client.answer_close()[0] == 1001
        stopping.join(DEADLINE)
        io.stop()  # harmless when repeated
        with pytest.raises(RuntimeError):
            io.loop.call_soon(print)
        assert handler.closed.wait(DEADLINE)
        check_echo(server.connect(Driven(echo)))
        assert IoRuntime.shared() is not io


def test_what_the_io_thread_is_given_is_done_or_refused() -> None:
    """Whoever waits for what is given as it ends must not wait for ever."""
    for _ in range(200):
        io = IoRuntime().start()
        outcomes: list[str] = []

        def ask(io: IoRuntime = io, outcomes: list[str] = outcomes) -> None:
            while True:
                try:
                    io.call_blocking(asyncio.sleep(0))
                except (UsageError, CancelledError) as error:
                    outcomes.append(type(error).__name__)
                    return

        asking = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
        for one in asking:
            one.start()
        io.stop()
        for one in asking:
            one.join(DEADLINE)
        assert len(outcomes) == 3


def test_nothing_is_left_of_a_session() -> None:
    before = {thread.ident for thread in threading.enumerate()}
    with hosted() as server:
        IoRuntime.shared().start()
        for _ in range(5):
            client = server.connect(Driven(echo))
            check_echo(client)
            client.close()
    left = [one for one in threading.enumerate() if one.ident not in before and one.is_alive()]
    assert {one.name for one in left} <= {"turnout-io", "turnout-timers"}
    assert not server.registry.sessions
