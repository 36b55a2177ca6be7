"""How handlers of both colours run on the engine's concurrency model."""

from __future__ import annotations

import time

from turnout.strategy import RequestUpgradeStrategy
from turnout.testing.client import Connect
from turnout.testing.commands import ask, command, read_json
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server


@both_colours
@rule(Row.RUNTIME, "context variables set in an interceptor are visible in the handler")
def test_context_variables(connect: Connect, colour: str) -> None:
    assert ask(connect(f"/{colour}/intercepted"), "facts")["context"] == "carried over"
    assert ask(connect(f"/{colour}/act"), "facts")["context"] == "not carried over"


@both_colours
@rule(Row.RUNTIME, "turnout's own sleep and timeout work in every handler")
def test_neutral_helpers(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    assert ask(client, "wait", seconds=0.01, limit=5) == "slept"
    assert ask(client, "wait", seconds=5, limit=0.05) == "timed out"
    assert ask(client, "facts")["is_open"]


@both_colours
@rule(Row.RUNTIME, "a handler that waits keeps no other from running")
def test_waiting_handlers_run_side_by_side(connect: Connect, colour: str) -> None:
    clients = [connect(f"/{colour}/act") for _ in range(20)]
    begin = time.monotonic()
    for client in clients:
        command(client, "wait", seconds=0.3, limit=5)
    assert [read_json(client) for client in clients] == ["slept"] * 20
    assert time.monotonic() - begin < 3  # one after the other takes six seconds


@both_colours
@rule(Row.RUNTIME, "join ends when either side ends, and ends the other")
def test_join(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/ticker?token={token}")
    assert [client.read_text() for _ in range(3)] == ["tick"] * 3
    client.send_text("stop")
    while (text := client.read_text()) == "tick":
        continue
    assert text == "stopped"
    assert client.answer_close() == (1000, "")
    assert len(server.events.wait_for(token, "stopped ticking")) == 1


@rule(Row.RUNTIME, "asyncio awaitables work where asyncio runs; elsewhere the error names the fix")
def test_foreign_awaitable(
    server: Server, connect: Connect, strategy: type[RequestUpgradeStrategy]
) -> None:
    client = connect("/async/act")
    command(client, "await foreign")
    if strategy.runtime == "asyncio":
        assert read_json(client) == "awaited"
    else:
        assert client.read_close()[0] == 1011
        server.wait_for_log('ForeignAwaitableError.*async_runtime="asyncio"')


@rule(Row.RUNTIME, 'async_runtime="asyncio": handlers that await asyncio run on every engine')
def test_asyncio_beside_the_engine(connect: Connect) -> None:
    client = connect("/bridge/asyncio")
    assert ask(client, "await foreign") == "awaited"
    command(client, "burst", count=3, size=10)
    assert [client.read_binary()[3] for _ in range(3)] == [0, 1, 2]
    assert read_json(client) == {"sent": 3}
    command(client, "close", code=4001, reason="bye")
    assert client.answer_close() == (4001, "bye")


@rule(Row.RUNTIME, 'bridge="greenlet": plain handlers run without a thread of their own')
def test_greenlet_bridge(connect: Connect) -> None:
    client = connect("/bridge/greenlet")
    assert ask(client, "facts")["is_open"]
    command(client, "burst", count=3, size=10)
    assert [client.read_binary()[3] for _ in range(3)] == [0, 1, 2]
    assert read_json(client) == {"sent": 3}
    command(client, "close", code=4001, reason="bye")
    assert client.answer_close() == (4001, "bye")
