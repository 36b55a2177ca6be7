"""Floods: of pings, pongs, fragments, empty messages, and of what a little data inflates to.

Bounds on memory are generous, and far below what would be taken if nothing were bounded.
"""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

import pytest

from turnout.testing.bystander import check_answered, undisturbed
from turnout.testing.client import Connect, RawClient
from turnout.testing.commands import ask, read_json
from turnout.testing.deflating import OFFER, RSV1, TAIL, deflate, inflate
from turnout.testing.frames import BINARY, CONTINUATION, PING, PONG, TEXT, encode_frame
from turnout.testing.marks import both_colours, requires, rule, slow
from turnout.testing.processes import MemoryWatch, family_of, largest_send_buffer, seconds_of
from turnout.testing.rows import Row
from turnout.testing.server import Server

MIB = 1024 * 1024
KEY = b"\0\0\0\0"
NARROW: dict[str, Any] = {"receive_buffer": 4096, "timeout": 30.0}
BOUND = 32 * MIB
SECONDS_OF_FLOOD = 1.0


def make_bomb(mebibytes: int) -> bytes:
    """Return a compressed message that inflates to that much: a kilobyte for each of them."""
    part = deflate(bytes(MIB)) + TAIL  # refers to nothing before it, so it may be repeated
    return (part * mebibytes).removesuffix(TAIL)


def flood(client: RawClient, bystander: RawClient, frames: bytes, size: int) -> bool:
    """Send `frames` until that was `size` bytes, or the server takes no more: true then.

    Another connection is answered meanwhile.
    """
    sent = 0
    while sent < size:
        taken = client.stream.write_some(frames, timeout=0.3)
        check_answered(bystander)
        if taken < len(frames):
            return True
        sent += taken
    return False


@requires("control_frames")
@slow
@rule(
    Row.HOSTILE, "pings from a peer that reads nothing: held back, or the latest answered (§5.5.3)"
)
def test_flood_of_pings(connect: Connect) -> None:
    ping = encode_frame(PING, bytes(125), key=KEY)
    size = 2 * largest_send_buffer()
    with undisturbed(connect) as bystander:
        client = connect("/async/echo", settings=NARROW)
        is_held_back = flood(client, bystander, ping * 8000, size)
        if not is_held_back:
            client.send_text("the end")
            answers = client.stream.read_until(b"the end")
            assert len(answers) // 127 < size // len(ping), "every pong was kept"
        client.stream.vanish()


@slow
@rule(Row.HOSTILE, "a flood of pongs that nobody asked for is read away")
def test_flood_of_pongs(server: Server, connect: Connect) -> None:
    with undisturbed(connect) as bystander, MemoryWatch(server.process.pid) as memory:
        client = connect("/async/echo")
        assert not flood(client, bystander, encode_frame(PONG, bytes(125), key=KEY) * 8000, 4 * MIB)
        client.send_text("still here")
        answers = (frame for frame in iter(client.read_frame, None) if frame.opcode != PING)
        assert next(answers).payload == b"still here"  # no pong of ours comes back
    assert memory.growth < BOUND


@requires("control_frames")
@slow
@both_colours
@rule(Row.HOSTILE, "pings to a handler that asks for them and takes none: the peer is held back")
def test_flood_of_pings_for_the_handler(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    with undisturbed(connect) as bystander, MemoryWatch(server.process.pid) as memory:
        client = connect(f"/{colour}/gated/control?token={token}", settings=NARROW)
        server.events.wait_for(token, "waiting")
        assert flood(client, bystander, encode_frame(PING, b"", key=KEY) * 100_000, 16 * MIB)
        client.stream.vanish()
    assert memory.growth < BOUND


@slow
@both_colours
@rule(Row.HOSTILE, "a flood of empty messages to a handler that takes none: the peer is held back")
def test_flood_of_empty_messages(server: Server, connect: Connect, colour: str, token: str) -> None:
    with undisturbed(connect) as bystander, MemoryWatch(server.process.pid) as memory:
        client = connect(f"/{colour}/gated?token={token}", settings=NARROW)
        server.events.wait_for(token, "waiting")
        assert flood(client, bystander, encode_frame(BINARY, b"", key=KEY) * 100_000, 16 * MIB)
        client.stream.vanish()
    assert memory.growth < BOUND


@slow
@rule(Row.HOSTILE, "10,000 empty fragments are a message; memory is bounded, order kept")
def test_flood_of_empty_fragments(server: Server, connect: Connect) -> None:
    empty = encode_frame(CONTINUATION, b"", fin=False, key=KEY)
    with undisturbed(connect), MemoryWatch(server.process.pid) as memory:
        client = connect("/async/echo")
        client.stream.write(encode_frame(TEXT, b"a", fin=False) + empty * 10_000)
        client.send_ping(b"between")
        assert client.read_frame().payload == b"between"
        client.stream.write(encode_frame(CONTINUATION, b"b"))
        assert client.read_text() == "ab"
    assert memory.growth < BOUND


@requires("partial_messages")
@both_colours
@rule(Row.PIECES, "empty fragments in the middle of a message are no pieces: no flood of those")
def test_empty_fragments_are_no_pieces(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/pieces")
    empty = encode_frame(CONTINUATION, b"", fin=False)
    client.stream.write(encode_frame(BINARY, b"\1", fin=False) + empty * 100)
    client.stream.write(encode_frame(CONTINUATION, b"\2"))
    assert read_json(client) == ["binary", "01", True, False]
    assert read_json(client) == ["binary", "02", False, True]


@requires("early_limits")
@both_colours
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@rule(Row.LIMITS, "a limit counts fragments of one byte as it counts one frame: 1009 behind it")
def test_fragments_of_one_byte_are_counted(connect: Connect, colour: str, opcode: int) -> None:
    limit = {TEXT: 1000, BINARY: 500}[opcode]  # of the subject's /limited
    piece = encode_frame(CONTINUATION, b"x", fin=False)
    with undisturbed(connect):
        client = connect(f"/{colour}/limited")
        client.stream.write(encode_frame(opcode, b"x", fin=False) + piece * (limit - 1))
        client.send_ping(b"all of it")
        assert client.read_frame().payload == b"all of it"
        client.stream.write(piece)
        client.expect_failure(1009)


@slow
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@rule(
    Row.HOSTILE, "a fragment costs the same behind a megabyte as behind a byte: no quadratic time"
)
def test_time_of_tiny_fragments(server: Server, connect: Connect, opcode: int) -> None:
    family = family_of(server.process.pid)
    piece = encode_frame(CONTINUATION, b"x", fin=False, key=KEY)

    def seconds_behind(first: int) -> float:
        client = connect("/async/echo")
        client.send_frame(opcode, b"x" * first, fin=False)
        client.send_ping(b"begun")
        assert client.read_frame().payload == b"begun"
        before = seconds_of(family)
        client.stream.write(piece * 8000)
        client.send_ping(b"all")
        assert client.read_frame().payload == b"all"
        client.stream.vanish()
        return seconds_of(family) - before

    behind_little = seconds_behind(1)
    behind_much = seconds_behind(MIB - 10_000)
    # Copied or decoded anew at each fragment, a megabyte makes it a second or more.
    assert behind_much < 2 * behind_little + 0.2


@slow
@requires("deflate")
@both_colours
@pytest.mark.parametrize("fragments", [1, 50])
@rule(Row.HOSTILE, "256 MiB that come deflated to 300 KB → 1009, and never were in memory")
def test_deflate_bomb(server: Server, connect: Connect, colour: str, fragments: int) -> None:
    bomb = make_bomb(256)
    size = len(bomb) // fragments + 1
    pieces = [bomb[start : start + size] for start in range(0, len(bomb), size)]
    with undisturbed(connect), MemoryWatch(server.process.pid) as memory:
        client = connect(f"/{colour}/deflate", extensions=OFFER)
        for number, piece in enumerate(pieces):
            is_first, is_last = number == 0, number == len(pieces) - 1
            client.send_frame(
                BINARY if is_first else CONTINUATION,
                piece,
                fin=is_last,
                rsv=RSV1 if is_first else 0,
            )
        client.expect_failure(1009)
    assert memory.growth < BOUND


@slow
@requires("deflate")
@both_colours
@rule(Row.HOSTILE, "a flood of deflated messages comes in as its handler takes them, no faster")
def test_flood_of_deflated_messages_that_are_taken(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    frames = encode_frame(BINARY, deflate(bytes(100_000)), rsv=RSV1) * 2000
    ask(connect("/async/act"), "open gate", token=token)
    with undisturbed(connect), MemoryWatch(server.process.pid) as memory:
        client = connect(f"/{colour}/deflate/gated?token={token}", extensions=OFFER)
        server.events.wait_for(token, "waiting")
        end, sent = monotonic() + SECONDS_OF_FLOOD, 0
        while monotonic() < end:
            sent += client.stream.write_some(frames[sent % len(frames) :], timeout=0.3)
        client.stream.vanish()  # what the kernel holds yet would be handled beside the next test
        server.events.wait_for(token, "through")
    assert memory.growth < BOUND


@slow
@requires("deflate")
@both_colours
@rule(Row.HOSTILE, "messages that wait for a slow handler wait deflated: memory is bounded")
def test_flood_of_deflated_messages(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    count = 64
    bomb = encode_frame(BINARY, deflate(bytes(MIB)), rsv=RSV1)
    with undisturbed(connect), MemoryWatch(server.process.pid) as memory:
        client = connect(f"/{colour}/deflate/gated?token={token}", extensions=OFFER)
        server.events.wait_for(token, "waiting")
        client.stream.write(bomb * count)
        client.send_ping(b"behind them")
        assert not client.stream.has_data(timeout=0.3)
        ask(connect("/async/act"), "open gate", token=token)
        client.send_text("sum")
        assert client.read_frame().opcode == PONG
        message = client.read_message()
        assert json.loads(inflate(message.payload))["count"] == count
    assert memory.growth < BOUND
