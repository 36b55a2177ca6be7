"""Closing codes and reasons, from either side (RFC 6455 sections 5.5.1 and 7)."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import ask, command
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

REASON = "ciao 👋"
LONGEST_REASON = "r" * 123


@both_colours
@pytest.mark.parametrize(
    ("code", "reason"),
    [(4001, "bye"), (1000, ""), (3000, REASON), (4999, LONGEST_REASON), (1013, "later")],
)
@rule(Row.CLOSE, "the handler's close code and reason are on the wire")
def test_close_by_the_handler(connect: Connect, colour: str, code: int, reason: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "close", code=code, reason=reason)
    assert client.answer_close() == (code, reason)


@both_colours
@rule(Row.CLOSE, "close() returns when the connection is closed, with the status it was given")
def test_close_returns(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close", code=4001, reason="bye")
    assert client.read_close() == (4001, "bye")
    assert not server.events.of(token, "close returned")
    client.send_close(4001, "bye")
    client.expect_end()
    event = server.events.wait_for(token, "close returned")[0]
    assert (event["code"], event["reason"], event["state"]) == (4001, "bye", "closed")


@requires("close_details")
@both_colours
@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (4321, REASON), (3999, LONGEST_REASON), (1012, "restart")]
)
@rule(Row.CLOSE, "the peer's close code and reason reach the handler, and are answered")
def test_close_by_the_peer(
    server: Server, connect: Connect, colour: str, token: str, code: int, reason: str
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    assert client.close(code, reason)[0] == code
    event = server.events.wait_for(token, "closed")[0]
    assert (event["code"], event["reason"], event["state"]) == (code, reason, "closed")


@both_colours
@rule(Row.CLOSE, "a close frame without a code is answered by one, and reported as 1005")
def test_close_without_a_code(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    client.send_close(None)
    assert client.read_close() in ((None, ""), (1000, ""))
    client.expect_end()
    assert server.events.wait_for(token, "closed")[0]["code"] == 1005


@both_colours
@pytest.mark.parametrize(
    ("code", "reason"),
    [(1005, ""), (1006, ""), (1015, ""), (999, ""), (5000, ""), (2999, ""), (1000, "r" * 124)],
)
@rule(Row.CLOSE, "a code or reason that may not be sent is a local error, and nothing is sent")
def test_close_that_may_not_be_sent(connect: Connect, colour: str, code: int, reason: str) -> None:
    client = connect(f"/{colour}/act")
    answer = ask(client, "close", code=code, reason=reason)
    assert answer["error"] == "InvalidCloseError"
    assert answer["state"] == "open"
    assert ask(client, "facts")["is_open"]


@both_colours
@rule(Row.CLOSE, "a reason's limit counts bytes of UTF-8, not characters")
def test_reason_is_counted_in_bytes(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    answer = ask(client, "close", code=4000, reason="é" * 62)
    assert answer["error"] == "InvalidCloseError"


@both_colours
@rule(Row.CLOSE, "what was sent before close() arrives before the close frame")
def test_messages_before_the_close(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "burst", count=20, size=10_000)
    command(client, "close", code=4001, reason="")
    for number in range(20):
        assert client.read_binary()[:4] == number.to_bytes(4, "big")
    assert client.read_text() == '{"sent": 20}'
    assert client.answer_close() == (4001, "")


@both_colours
@rule(Row.CLOSE, "nothing follows the close frame (RFC 6455 §5.5.1)")
def test_nothing_after_the_close(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_close(1000)
    client.send_text("too late")
    assert client.read_close()[0] == 1000
    client.expect_end()


@both_colours
@rule(Row.STATES, "close() twice is one close: the first code counts, the second is no error")
def test_close_twice(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close twice")
    assert client.answer_close() == (4001, "first")
    event = server.events.wait_for(token, "closed twice")[0]
    assert (event["code"], event["state"]) == (4001, "closed")


@both_colours
@rule(Row.STATES, "a session is closing from its close frame on, and closed at the peer's answer")
def test_closing_state(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close beside")
    assert client.read_close() == (4001, "beside")
    assert server.events.wait_for(token, "closing")[0]["state"] == "closing"
    client.send_close(4001)
    client.expect_end()
    assert server.events.wait_for(token, "closed beside")[0]["state"] == "closed"


@both_colours
@rule(Row.STATES, "send, receive and ping on a closed session raise ConnectionClosed")
def test_use_after_close(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "use after close")
    client.answer_close()
    events = server.events.wait_for(token, "refused", count=3)
    assert {(one["error"], one["code"], one["reason"], one["by"]) for one in events} == {
        ("ConnectionClosed", 4001, "bye", "local")
    }


@both_colours
@rule(Row.STATES, "after_connection_closed runs exactly once, whoever closed")
def test_closed_exactly_once(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    client.send_close(4000, "one")
    client.send_close(4001, "two")
    assert client.read_close() == (4000, "one")
    server.events.wait_for(token, "closed")
    connect(f"/{colour}/echo").close()
    assert [one["code"] for one in server.events.of(token, "closed")] == [4000]
