"""Close frames that cross each other, other frames, and the end of the connection."""

from __future__ import annotations

import json

import pytest

from turnout.testing.bystander import undisturbed
from turnout.testing.client import Connect
from turnout.testing.commands import command
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

CLOSE_4000 = encode_frame(CLOSE, close_payload(4000, "mine"))
NOTE = encode_frame(TEXT, json.dumps({"do": "note"}).encode())
COUNT, SIZE = 200, 100_000  # 20 MB: more than the buffers of two sockets and the session hold
ENDLESS = 100 * COUNT  # more than is sent before the handler closes


@both_colours
@rule(Row.CLOSE, "close frames that cross: each side has sent one, and the first of them counts")
def test_both_sides_close_at_once(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close beside")
    client.stream.wait_for_bytes()  # its close frame is here, and nobody has read it
    client.send_close(4002, "mine")
    assert client.read_close() == (4001, "beside")
    client.expect_end()
    event = server.events.wait_for(token, "closed beside")[0]
    assert (event["code"], event["reason"], event["state"]) == (4001, "beside", "closed")


@requires("close_details")
@both_colours
@rule(Row.CLOSE, "told to close and closed in one segment: one close frame, one status")
def test_closed_in_the_segment_that_tells_to_close(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    told = {"do": "close", "code": 4001, "reason": "told"}
    client.stream.write(encode_frame(TEXT, json.dumps(told).encode()) + CLOSE_4000)
    status = client.read_close()
    assert status in [(4001, "told"), (4000, "mine")]
    client.expect_end()
    event = server.events.wait_for(token, "ended")[0]
    assert (event["code"], event["reason"], event["state"]) == (*status, "closed")


@requires("violation_codes")
@both_colours
@rule(Row.CLOSE, "a close frame within a fragmented message is answered; the message is dropped")
def test_close_within_a_fragmented_message(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    client.send_frame(TEXT, b"begun", fin=False)
    client.send_frame(0, b"and never ended", fin=False)
    assert client.close(4000, "mine")[0] == 4000
    event = server.events.wait_for(token, "closed")[0]
    assert (event["code"], event["reason"]) == (4000, "mine")
    assert not server.events.of(token, "transport error")


@requires("partial_messages")
@both_colours
@rule(Row.PIECES, "a close frame between two pieces: the first was delivered, the answer follows")
def test_close_between_pieces(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/pieces")
    client.send_frame(BINARY, b"\0", fin=False)
    assert json.loads(client.read_text()) == ["binary", "00", True, False]
    assert client.close(4000)[0] == 4000


@requires("close_details")
@both_colours
@rule(Row.CLOSE, "the peer's close frame is answered though much is unsent, and what waits dropped")
def test_close_by_the_peer_with_unsent_data(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    with undisturbed(connect):
        client = connect(
            f"/{colour}/act?token={token}", settings={"receive_buffer": 4096, "timeout": 20.0}
        )
        command(client, "burst", count=COUNT, size=SIZE)
        first = client.read_data_frame()
        client.send_close(4000, "mine")
        event = server.events.wait_for(token, "ended")[0]  # though nothing was read meanwhile
        assert (event["code"], event["reason"]) == (4000, "mine")
        numbers = [int.from_bytes(first.payload[:4], "big")]
        while (frame := client.read_data_frame()).opcode == BINARY:
            assert len(frame.payload) == SIZE
            numbers.append(int.from_bytes(frame.payload[:4], "big"))
        assert (frame.opcode, frame.payload[:2]) == (CLOSE, (4000).to_bytes(2, "big"))
        assert numbers == list(range(len(numbers)))
        assert len(numbers) < COUNT
        client.expect_end()


@both_colours
@rule(Row.CLOSE, "close() beside a sender: what was being sent is whole, then the close frame")
def test_close_by_the_handler_with_unsent_data(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(
        f"/{colour}/act?token={token}", settings={"receive_buffer": 4096, "timeout": 20.0}
    )
    command(client, "close while sending", count=ENDLESS, size=SIZE)
    server.events.wait_for(token, "held back")  # a client that reads may keep up with the sender
    numbers = []
    while (frame := client.read_data_frame()).opcode == BINARY:
        assert len(frame.payload) == SIZE
        numbers.append(int.from_bytes(frame.payload[:4], "big"))
    assert (frame.opcode, frame.payload) == (CLOSE, close_payload(4001, "enough"))
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < ENDLESS
    client.send_close(4001)
    client.expect_end()
    stopped = server.events.wait_for(token, "sender stopped")[0]
    assert (stopped["error"], stopped["code"], stopped["by"]) == ("ConnectionClosed", 4001, "local")


@both_colours
@rule(Row.CLOSE, "a peer that reads nothing more is cut close_timeout after close()")
def test_close_to_a_peer_that_does_not_read(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/hasty?token={token}", settings={"receive_buffer": 4096})
    command(client, "close while sending", count=COUNT, size=SIZE)
    event = server.events.wait_for(token, "ended")[0]
    assert (event["code"], event["state"]) == (4001, "closed")
    client.stream.vanish()


@both_colours
@rule(Row.CLOSE, "data before the peer's close frame is handled, data after it is not")
def test_data_around_the_close_of_the_peer(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    client.stream.write(NOTE + CLOSE_4000 + NOTE)
    frames = [client.read_data_frame()]
    while frames[-1].opcode != CLOSE:  # the answer to the first may come before
        frames.append(client.read_data_frame())
    client.expect_end()
    assert server.events.wait_for(token, "ended")[0]["code"] == 4000
    assert len(server.events.of(token, "noted")) == 1


@both_colours
@rule(Row.CLOSE, "data between this side's close frame and the peer's answer is dropped")
def test_data_before_the_answer_to_a_close(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    command(client, "close beside")
    assert client.read_close() == (4001, "beside")
    client.stream.write(NOTE * 100 + CLOSE_4000)
    client.expect_end()
    assert server.events.wait_for(token, "ended")[0]["code"] == 4001
    assert not server.events.of(token, "noted")


@requires("close_details")
@both_colours
@pytest.mark.parametrize("size", [1, 6, 8], ids=lambda size: f"{size} bytes")
@pytest.mark.parametrize("end", ["shut_down_writing", "vanish"])
@rule(Row.VANISHED, "half a close frame and then the end is no close frame: 1006, once")
def test_half_a_close_frame(
    server: Server, connect: Connect, colour: str, token: str, size: int, end: str
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    server.events.wait_for(token, "established")
    client.stream.write(CLOSE_4000[:size])
    getattr(client.stream, end)()
    assert server.events.wait_for(token, "closed")[0]["code"] == 1006
    connect(f"/{colour}/echo").close()
    assert len(server.events.of(token, "closed")) == 1


@both_colours
@rule(Row.CLOSE, "a close frame in single bytes is a close frame")
def test_close_byte_by_byte(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    for byte in CLOSE_4000:
        client.stream.write(bytes([byte]))
    assert client.read_close()[0] == 4000
    client.expect_end()
