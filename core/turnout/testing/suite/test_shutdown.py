"""What SIGTERM and SIGINT do to open connections."""

from __future__ import annotations

import signal

import pytest

from turnout.testing.client import RawClient
from turnout.testing.commands import ask, command
from turnout.testing.http import read_response
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartServer


def open_clients(server: Server, target: str, count: int) -> list[RawClient]:
    """Open `count` WebSockets."""
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.open(target)
    return clients


@both_colours
@rule(Row.SHUTDOWN, "SIGTERM while 100 connections are open → 1001 each, exit code 0")
def test_sigterm_closes_everyone(start_server: StartServer, colour: str, token: str) -> None:
    server = start_server()
    clients = open_clients(server, f"/{colour}/callbacks?token={token}", 100)
    server.events.wait_for(token, "established", count=100)
    server.signal(signal.SIGTERM)
    assert {client.read_close()[0] for client in clients} == {1001}
    for client in clients:
        client.send_close(1001)
        client.expect_end()
        client.stream.close()
    server.wait().check()
    closed = server.events.of(token, "closed")
    assert [one["code"] for one in closed] == [1001] * 100


@rule(Row.SHUTDOWN, "SIGINT does what SIGTERM does")
def test_sigint(start_server: StartServer) -> None:
    server = start_server()
    (client,) = open_clients(server, "/async/echo", 1)
    server.signal(signal.SIGINT)
    assert client.answer_close()[0] == 1001
    server.wait().check()


@rule(Row.SHUTDOWN, "no connection is accepted once the server shuts down")
def test_shutdown_stops_accepting(start_server: StartServer) -> None:
    server = start_server()
    (client,) = open_clients(server, "/async/echo", 1)
    server.signal(signal.SIGTERM)
    assert client.read_close()[0] == 1001
    with (
        pytest.raises(OSError, match=r"refused|reset|end of the connection"),
        server.connect() as late,
    ):
        late.open("/async/echo")
    client.send_close(1001)
    client.expect_end()
    server.wait().check()


def hold_open(server: Server, token: str) -> RawClient:
    """Return a connection whose end opens the gate of the one with that token."""
    client = server.connect()
    client.open("/async/act")
    assert ask(client, "open gate at the end", token=token) == "waiting"
    return client


@rule(Row.SHUTDOWN, "a handshake under way at SIGTERM → 503, and the server ends behind it")
def test_handshake_while_draining(start_server: StartServer, token: str) -> None:
    server = start_server()
    keeper, client = hold_open(server, token), server.connect()
    client.stream.write(client.handshake_request(f"/async/held?hold=before&token={token}").encode())
    server.events.wait_for(token, "held")
    server.signal(signal.SIGTERM)
    assert keeper.answer_close()[0] == 1001
    assert read_response(client.stream).status == 503
    client.expect_end()
    server.wait().check()
    assert not server.events.of(token, "established")


@both_colours
@rule(Row.SHUTDOWN, "a session that begins after SIGTERM → 1001 at once, and the server ends")
def test_session_begins_while_draining(start_server: StartServer, colour: str, token: str) -> None:
    server = start_server()
    keeper, client = hold_open(server, token), server.connect()
    client.open(f"/{colour}/held?hold=after&token={token}")
    server.events.wait_for(token, "held")
    server.signal(signal.SIGTERM)
    assert keeper.answer_close()[0] == 1001
    assert client.answer_close()[0] == 1001
    server.wait().check()
    assert [one["code"] for one in server.events.of(token, "closed")] == [1001]


@rule(Row.SHUTDOWN, "a peer that does not answer is cut after close_timeout; the handler hears it")
def test_silent_peer_is_cut(start_server: StartServer, token: str) -> None:
    server = start_server("--close-timeout", "0.5")
    (client,) = open_clients(server, f"/async/callbacks?token={token}", 1)
    server.events.wait_for(token, "established")
    server.signal(signal.SIGTERM)
    assert client.read_close()[0] == 1001
    server.wait().check()
    client.expect_end()
    assert [one["code"] for one in server.events.of(token, "closed")] == [1001]


@rule(Row.SHUTDOWN, "drain(code=1012): everyone gets code and reason, new handshakes get 503")
def test_drain(start_server: StartServer) -> None:
    server = start_server()
    first, second = open_clients(server, "/async/act", 2)
    assert ask(first, "drain", code=1012, reason="restart") == "draining"
    assert second.read_close() == (1012, "restart")
    with server.connect() as late:
        assert late.handshake("/async/echo").status == 503
    second.send_close(1012)
    second.expect_end()
    assert first.answer_close() == (1012, "restart")
    server.stop().check()


@both_colours
@rule(Row.SHUTDOWN, "a handler that does not return is cut after close_timeout; others close")
def test_blocked_handler_is_cut(start_server: StartServer, colour: str) -> None:
    server = start_server("--close-timeout", "0.5")
    (blocked,) = open_clients(server, f"/{colour}/act", 1)
    (other,) = open_clients(server, f"/{colour}/echo", 1)
    assert ask(blocked, "facts")["is_open"]
    command(blocked, "wait", seconds=60, limit=60)
    server.signal(signal.SIGTERM)
    assert other.answer_close()[0] == 1001
    assert server.wait().returncode == 0
    blocked.stream.close()
