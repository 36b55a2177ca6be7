"""A peer that is gone without a word."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect, RawClient
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

WAYS = {
    "reset": lambda client: client.stream.vanish(),
    "end of stream": lambda client: client.stream.close(),
    "half a frame": lambda client: (client.stream.write(b"\x81\x85"), client.stream.close()),
    "half a message": lambda client: (
        client.send_frame(1, b"to be continued", fin=False),
        client.stream.close(),
    ),
}


@both_colours
@pytest.mark.parametrize("way", WAYS)
@rule(Row.VANISHED, "the peer vanishes → after_connection_closed(1006), exactly once")
def test_vanished_peer(server: Server, connect: Connect, colour: str, token: str, way: str) -> None:
    client: RawClient = connect(f"/{colour}/callbacks?token={token}")
    server.events.wait_for(token, "established")
    WAYS[way](client)
    (event,) = server.events.wait_for(token, "closed")
    assert (event["code"], event["state"]) == (1006, "closed")
    connect(f"/{colour}/echo").close()
    assert len(server.events.of(token, "closed")) == 1


@both_colours
@rule(Row.VANISHED, "iteration ends when the peer vanishes, and the handler with it")
def test_iteration_ends(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/echo?token={token}")
    client.send_text("hello")
    assert client.read_text() == "hello"
    client.stream.vanish()
    (event,) = server.events.wait_for(token, "ended")
    assert event["code"] == 1006


@both_colours
@rule(Row.VANISHED, "sends to a vanished peer raise ConnectionClosed")
def test_send_to_a_vanished_peer(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/flood?token={token}")
    client.read_binary()
    client.stream.vanish()
    (event,) = server.events.wait_for(token, "flooded")
    assert (event["error"], event["code"]) == ("ConnectionClosed", 1006)
