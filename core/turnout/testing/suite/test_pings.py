"""Pings and pongs, from either side (RFC 6455 sections 5.5.2 and 5.5.3)."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import command, read_json
from turnout.testing.frames import PING, PONG
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row


@both_colours
@pytest.mark.parametrize("payload", [b"", b"payload", bytes(125)], ids=len)
@rule(Row.PINGS, "a ping is answered by a pong with its payload (RFC 6455 §5.5.3)")
def test_ping_is_answered(connect: Connect, colour: str, payload: bytes) -> None:
    client = connect(f"/{colour}/echo")
    client.send_ping(payload)
    frame = client.read_frame()
    assert (frame.opcode, frame.payload, frame.masked) == (PONG, payload, False)


@rule(Row.PINGS, "a ping is answered while the handler waits for something else")
def test_ping_to_a_waiting_handler(connect: Connect) -> None:
    client = connect("/async/act")
    command(client, "wait", seconds=0.3, limit=10)
    client.send_ping(b"now")
    assert client.read_frame().payload == b"now"
    assert client.read_text() == '"slept"'


@both_colours
@rule(Row.PINGS, "a pong that nobody asked for changes nothing (RFC 6455 §5.5.3)")
def test_unsolicited_pong(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_pong(b"nobody asked")
    client.send_text("next")
    assert client.read_frame().payload == b"next"


@requires("control_frames")
@both_colours
@pytest.mark.parametrize("path", ["control", "control/callbacks"])
@rule(Row.PINGS, "a handler that asks for pings and pongs sees them")
def test_control_frames_are_visible(connect: Connect, colour: str, path: str) -> None:
    client = connect(f"/{colour}/{path}")
    client.send_ping(b"one")
    assert client.read_frame().opcode == PONG
    assert client.read_text() == "ping b'one'"
    client.send_pong(b"two")
    assert client.read_text() == "pong b'two'"


@requires("ping_round_trip")
@both_colours
@rule(Row.PINGS, "session.ping() measures a round trip")
def test_round_trip(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "ping")
    ping = client.read_frame()
    assert ping.opcode == PING
    assert not client.stream.has_data(timeout=0.1)
    client.send_pong(b"another payload")
    assert not client.stream.has_data(timeout=0.15)  # more than 0.2 in all: clocks are coarse
    client.send_pong(ping.payload)
    assert 0.2 <= read_json(client)["seconds"] < 5


@requires("control_frames")
@both_colours
@rule(Row.PINGS, "session.pong() sends a heartbeat that needs no answer")
def test_pong_from_the_handler(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "pong", payload="beat")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (PONG, b"beat")
