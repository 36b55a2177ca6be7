"""A handler that raises, and one that returns."""

from __future__ import annotations

import pytest

from turnout.testing.agreed import DETAIL
from turnout.testing.client import Connect
from turnout.testing.commands import command
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server


@both_colours
@rule(Row.FAILURE, "a stream handler that returns → 1000")
def test_stream_handler_returns(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "return")
    assert client.answer_close() == (1000, "")
    server.events.wait_for(token, "ended")


@both_colours
@rule(Row.FAILURE, "a stream handler that raises → 1011 without detail, logged with the traceback")
def test_stream_handler_raises(server: Server, connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "fail")
    code, reason = client.read_close()
    assert code == 1011
    assert DETAIL not in reason
    assert "Traceback" in server.wait_for_log(DETAIL)


@both_colours
@pytest.mark.parametrize("where", ["established", "message"])
@rule(Row.FAILURE, "a callback that raises → 1011; after_connection_closed still runs, once")
def test_callback_raises(
    server: Server, connect: Connect, colour: str, token: str, where: str
) -> None:
    client = connect(f"/{colour}/failing?token={token}&in={where}")
    client.send_text("fail")
    code, reason = client.read_close()
    assert code == 1011
    assert DETAIL not in reason
    client.send_close(1011)
    event = server.events.wait_for(token, "closed")[0]
    assert (event["code"], event["state"]) == (1011, "closed")


@both_colours
@rule(Row.FAILURE, "after_connection_closed that raises is logged; the close is as without it")
def test_failure_after_the_close(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/failing?token={token}&in=closed")
    assert client.close(4000)[0] == 4000
    server.events.wait_for(token, "closed")
    assert "Traceback" in server.wait_for_log(DETAIL)
    connect(f"/{colour}/echo").close()
    assert len(server.events.of(token, "closed")) == 1


@requires("violation_codes")
@both_colours
@rule(
    Row.FAILURE, "handle_transport_error that raises is logged; the code is that of the violation"
)
def test_failure_at_a_transport_error(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/failing?token={token}&in=error")
    client.send_frame(0x3)
    client.expect_failure(1002)
    assert server.events.wait_for(token, "closed")[0]["code"] == 1002
    assert len(server.events.of(token, "transport error")) == 1


@both_colours
@rule(Row.FAILURE, "one handler's failure leaves the other connections alone")
def test_failure_is_nobody_elses(connect: Connect, colour: str) -> None:
    bystander = connect(f"/{colour}/echo")
    command(failing := connect(f"/{colour}/act"), "fail")
    assert failing.read_close()[0] == 1011
    bystander.send_text("still here")
    assert bystander.read_text() == "still here"
