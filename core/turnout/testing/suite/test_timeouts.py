"""Peers that say nothing."""

from __future__ import annotations

import time

from turnout.testing.client import Connect
from turnout.testing.frames import CLOSE, PING
from turnout.testing.marks import both_colours, requires, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartServer


@slow
@both_colours
@rule(Row.TIMEOUTS, "idle_timeout without a message either way → 1001")
def test_idle_timeout(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/idle?token={token}")
    for _ in range(4):  # 0.8 s in all: messages keep it alive
        assert not client.stream.has_data(timeout=0.2)
        client.send_text("awake")
        assert client.read_text() == "awake"
    assert client.answer_close() == (1001, "idle timeout")
    assert server.events.wait_for(token, "closed")[0]["code"] == 1001


@slow
@rule(Row.TIMEOUTS, "pings are no messages: they do not keep an idle session alive")
def test_pings_do_not_count(connect: Connect) -> None:
    client = connect("/async/idle")
    begin = time.monotonic()
    while not client.stream.has_data(timeout=0.1):
        client.send_ping(b"")
        if client.read_frame().opcode == CLOSE:
            break
    assert time.monotonic() - begin < 2


@requires("ping_interval")
@slow
@both_colours
@rule(Row.TIMEOUTS, "ping_timeout without a sign of life → 1011")
def test_ping_timeout(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/keepalive?token={token}")
    assert client.read_frame().opcode == PING
    assert client.read_close() == (1011, "ping timeout")
    client.expect_end()
    assert server.events.wait_for(token, "closed")[0]["code"] == 1011


@requires("ping_interval")
@slow
@both_colours
@rule(Row.TIMEOUTS, "pongs keep a connection alive")
def test_pongs_keep_alive(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/keepalive")
    for _ in range(4):
        frame = client.read_frame()
        assert frame.opcode == PING
        client.send_pong(frame.payload)
    client.send_text("alive")
    assert client.read_message().payload == "alive"


@slow
@requires("handshake_timeout")
@rule(Row.TIMEOUTS, "a request that does not arrive within handshake_timeout is cut")
def test_handshake_timeout(start_server: StartServer) -> None:
    server = start_server("--handshake-timeout", "0.5")
    with server.connect() as client:
        client.stream.write(b"GET /async/echo HTTP/1.1\r\nHost: x\r\n")
        assert b"101" not in client.stream.read_to_end()


@slow
@both_colours
@rule(Row.TIMEOUTS, "a peer that does not answer the close is cut after close_timeout")
def test_close_timeout(start_server: StartServer, colour: str, token: str) -> None:
    from turnout.testing.commands import command

    server = start_server("--close-timeout", "0.5")
    with server.connect() as client:
        client.open(f"/{colour}/act?token={token}")
        command(client, "close", code=4001, reason="bye")
        assert client.read_close() == (4001, "bye")
        client.expect_end()
    event = server.events.wait_for(token, "close returned")[0]
    assert (event["code"], event["state"]) == (4001, "closed")
    server.stop().check()
