"""Peers that end their direction, or reset the connection, at the worst moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from turnout.testing.bystander import check_answered, undisturbed
from turnout.testing.client import Connect
from turnout.testing.commands import command
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.marks import both_colours, requires, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server

TIMES = 10
NARROW: dict[str, Any] = {"receive_buffer": 4096}
MESSAGES_AHEAD = 500
"""So many of 16 KiB a narrow client reads: by then the server has filled every buffer."""


def targets(colour: str, token: str) -> dict[str, str]:
    """Return by token where each of several connections goes, so that they can be told apart."""
    tokens = [f"{token}-{number}" for number in range(TIMES)]
    return {one: f"/{colour}/callbacks?token={one}" for one in tokens}


def check_closed_once(server: Server, connect: Connect, tokens: Iterable[str]) -> None:
    """Check that whatever was established is closed, and nothing twice."""
    check_answered(connect("/async/echo"))  # what came before it has had its turn
    for token in tokens:
        if server.events.of(token, "established"):
            server.events.wait_for(token, "closed")
    check_answered(connect("/async/echo"))
    for token in tokens:
        assert len(server.events.of(token, "closed")) <= 1


@both_colours
@pytest.mark.parametrize("part", ["a tenth", "half", "all but its last line"])
@pytest.mark.parametrize("end", ["close", "shut_down_writing", "vanish"])
@rule(Row.HOSTILE, "a request that is cut short is no handshake, and its connection ends")
def test_request_cut_short(
    server: Server, connect: Connect, colour: str, token: str, part: str, end: str
) -> None:
    with undisturbed(connect):
        client = connect()
        request = client.handshake_request(f"/{colour}/callbacks?token={token}").encode()
        size = len(request)
        sizes = {"a tenth": size // 10, "half": size // 2, "all but its last line": size - 2}
        client.stream.write(request[: sizes[part]])
        getattr(client.stream, end)()
        if end == "shut_down_writing":
            assert b" 101 " not in client.stream.read_to_end()
    assert not server.events.of(token, "established")


@slow
@both_colours
@rule(Row.HOSTILE, "resets in the middle of handshakes: what was established is closed, once")
def test_resets_while_shaking_hands(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    with undisturbed(connect):
        for target in targets(colour, token).values():
            client = connect()
            client.stream.write(client.handshake_request(target).encode())
            client.stream.vanish()
    check_closed_once(server, connect, targets(colour, token))


@both_colours
@rule(Row.HOSTILE, "a peer that ends its direction with its request leaves nothing open")
def test_end_behind_the_request(server: Server, connect: Connect, colour: str, token: str) -> None:
    with undisturbed(connect):
        for target in targets(colour, token).values():
            client = connect()
            client.stream.write(client.handshake_request(target).encode())
            client.stream.shut_down_writing()
            client.stream.read_to_end()
            client.stream.close()
    check_closed_once(server, connect, targets(colour, token))


@both_colours
@rule(Row.CLOSE, "a close frame is answered though the peer ended its direction behind it")
def test_end_behind_the_close(server: Server, connect: Connect, colour: str, token: str) -> None:
    for _ in range(TIMES):  # the earlier it comes, the less has the server read so far
        client = connect(f"/{colour}/callbacks?token={token}")
        client.send_close(4000, "mine")
        client.stream.shut_down_writing()
        assert client.read_close()[0] == 4000
        client.expect_end()
    ends = server.events.wait_for(token, "closed", count=TIMES)
    assert [end["code"] for end in ends] == [4000] * TIMES


@requires("close_details")
@both_colours
@rule(Row.VANISHED, "a peer that ends its direction while it is sent to has gone: 1006, once")
def test_end_while_the_server_sends(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/flood?token={token}", settings=NARROW)
    for _ in range(MESSAGES_AHEAD):  # else all that the server has written could leave at once
        client.read_binary()
    client.stream.shut_down_writing()
    event = server.events.wait_for(token, "flooded")[0]
    assert (event["error"], event["code"]) == ("ConnectionClosed", 1006)
    client.stream.read_to_end()


@requires("close_details")
@both_colours
@rule(Row.VANISHED, "messages whole before the peer's end are handled, the torn one is not")
def test_end_within_a_message(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/act?token={token}")
    note = encode_frame(TEXT, b'{"do": "note"}')
    client.stream.write(note + note[:-1])
    client.stream.shut_down_writing()
    assert server.events.wait_for(token, "ended")[0]["code"] == 1006
    assert len(server.events.of(token, "noted")) == 1


@requires("close_details")
@both_colours
@rule(Row.VANISHED, "a reset in the middle of a message → 1006, once, and the message is dropped")
def test_reset_within_a_message(server: Server, connect: Connect, colour: str, token: str) -> None:
    with undisturbed(connect):
        client = connect(f"/{colour}/callbacks?token={token}")
        client.stream.write(encode_frame(BINARY, bytes(100_000))[:50_000])
        client.send_frame(0)  # within the payload
        client.stream.vanish()
        assert server.events.wait_for(token, "closed")[0]["code"] == 1006
    assert len(server.events.of(token, "closed")) == 1


@both_colours
@rule(Row.VANISHED, "a reset instead of the answer to a close: the status is the one that was sent")
def test_reset_instead_of_the_answer(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close", code=4001, reason="bye")
    assert client.read_close() == (4001, "bye")
    client.stream.vanish()
    event = server.events.wait_for(token, "close returned")[0]
    assert (event["code"], event["state"]) == (4001, "closed")


@both_colours
@rule(Row.VANISHED, "a reset right behind a close frame changes nothing of what the frame said")
def test_reset_behind_the_close(server: Server, connect: Connect, colour: str, token: str) -> None:
    where = targets(colour, token)
    with undisturbed(connect):
        for target in where.values():
            client = connect(target)
            client.stream.write(encode_frame(CLOSE, close_payload(4000)))
            client.stream.vanish()
    check_closed_once(server, connect, where)
    codes = {event["code"] for one in where for event in server.events.wait_for(one, "closed")}
    assert codes <= {4000, 1006}  # the kernel may drop what was not read when the reset arrives
