"""A peer that is gone without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from turnout.testing.client import Connect, RawClient
from turnout.testing.frames import TEXT
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server


def reset(client: RawClient) -> None:
    client.stream.vanish()


def end(client: RawClient) -> None:
    client.stream.close()


def end_within_a_frame(client: RawClient) -> None:
    client.stream.write(b"\x81\x85")
    client.stream.close()


def end_within_a_message(client: RawClient) -> None:
    client.send_frame(TEXT, b"to be continued", fin=False)
    client.stream.close()


WAYS: list[Callable[[RawClient], None]] = [reset, end, end_within_a_frame, end_within_a_message]


@requires("close_details")
@both_colours
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@rule(Row.VANISHED, "the peer vanishes → after_connection_closed(1006), exactly once")
def test_vanished_peer(
    server: Server, connect: Connect, colour: str, token: str, way: Callable[[RawClient], None]
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    server.events.wait_for(token, "established")
    way(client)
    event = server.events.wait_for(token, "closed")[0]
    assert (event["code"], event["state"]) == (1006, "closed")
    connect(f"/{colour}/echo").close()
    assert len(server.events.of(token, "closed")) == 1


@requires("close_details")
@both_colours
@rule(Row.VANISHED, "iteration ends when the peer vanishes, and the handler with it")
def test_iteration_ends(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/echo?token={token}")
    client.send_text("hello")
    assert client.read_text() == "hello"
    client.stream.vanish()
    event = server.events.wait_for(token, "ended")[0]
    assert event["code"] == 1006


@requires("close_details")
@both_colours
@rule(Row.VANISHED, "sends to a vanished peer raise ConnectionClosed")
def test_send_to_a_vanished_peer(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/flood?token={token}")
    client.read_binary()
    client.stream.vanish()
    event = server.events.wait_for(token, "flooded")[0]
    assert (event["error"], event["code"]) == ("ConnectionClosed", 1006)
