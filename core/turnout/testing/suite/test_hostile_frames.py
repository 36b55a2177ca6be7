"""Frames that nobody makes by mistake; `test_violations` has those that somebody might."""

from __future__ import annotations

import pytest

from turnout.testing.bystander import undisturbed
from turnout.testing.client import Connect, RawClient
from turnout.testing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    close_payload,
    encode_frame,
)
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

OFFER = "permessage-deflate; client_max_window_bits"
MIB = 1024 * 1024
FIRST_BYTES = {
    "reserved opcode": b"\x83\x80",
    "reserved bit": b"\x91\x80",
    "no mask": b"\x81\x05",
    "fragmented ping": b"\x09\x80",
    "long ping": b"\x89\xfe",
}
LENGTHS = {"2^63": 1 << 63, "2^64 - 1": (1 << 64) - 1}
NOT_SHORTEST = {
    "5 in two bytes": b"\xfe\x00\x05",
    "125 in two bytes": b"\xfe\x00\x7d",
    "5 in eight bytes": b"\xff" + (5).to_bytes(8, "big"),
    "65,535 in eight bytes": b"\xff" + (65535).to_bytes(8, "big"),
}


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("start", FIRST_BYTES.values(), ids=FIRST_BYTES)
@rule(Row.VIOLATION, "a violation that two bytes show → 1002 at once: no more is waited for")
def test_violation_in_the_first_bytes(connect: Connect, colour: str, start: bytes) -> None:
    with undisturbed(connect):
        client = connect(f"/{colour}/echo")
        client.stream.write(start)
        client.expect_failure(1002)


@requires("violation_codes", "early_limits")
@both_colours
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
@rule(Row.VIOLATION, "a length of 2^63 or more → 1002, whatever the limit (RFC 6455 §5.2)")
def test_length_of_2_to_the_63(connect: Connect, colour: str, opcode: int, length: int) -> None:
    with undisturbed(connect):
        client = connect(f"/{colour}/limited")
        client.send_frame(opcode, b"", declared_length=length)
        client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("first", [0x81, 0x82, 0x80], ids=["text", "binary", "continuation"])
@pytest.mark.parametrize("length", NOT_SHORTEST.values(), ids=NOT_SHORTEST)
@rule(Row.VIOLATION, "a length in more bytes than it needs → 1002, before the payload (§5.2)")
def test_length_that_is_not_the_shortest(
    connect: Connect, colour: str, first: int, length: bytes
) -> None:
    client = connect(f"/{colour}/echo")
    if first == 0x80:
        client.send_frame(TEXT, b"begun", fin=False)
    client.stream.write(bytes([first]) + length + b"mask")
    client.expect_failure(1002)


@requires("deflate")
@both_colours
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7])
@rule(Row.VIOLATION, "RSV2 or RSV3 → 1002, also with permessage-deflate (RFC 7692 §6)")
def test_reserved_bits_with_deflate(connect: Connect, colour: str, opcode: int, bits: int) -> None:
    client = connect(f"/{colour}/deflate", extensions=OFFER)
    client.send_frame(opcode, b"\0", rsv=bits)
    client.expect_failure(1002)


@requires("deflate")
@both_colours
@rule(Row.VIOLATION, "a length of 2^63 → 1002, also of a compressed frame")
def test_length_of_2_to_the_63_with_deflate(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/deflate", extensions=OFFER)
    client.send_frame(BINARY, b"", rsv=4, declared_length=1 << 63)
    client.expect_failure(1002)


def send_long_ping(client: RawClient) -> None:
    client.send_frame(PING, bytes(126))


def send_fragmented_ping(client: RawClient) -> None:
    client.send_frame(PING, b"", fin=False)


def send_bad_close(client: RawClient) -> None:
    client.send_frame(CLOSE, b"\x03")


def send_unmasked_continuation(client: RawClient) -> None:
    client.send_frame(CONTINUATION, b"rest", masked=False)


def send_marked_continuation(client: RawClient) -> None:
    client.send_frame(CONTINUATION, b"rest", rsv=4)


def send_reserved_opcode(client: RawClient) -> None:
    client.send_frame(0x7)


WITHIN = [
    send_long_ping,
    send_fragmented_ping,
    send_bad_close,
    send_unmasked_continuation,
    send_marked_continuation,
    send_reserved_opcode,
]


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("send", WITHIN, ids=lambda send: send.__name__.removeprefix("send_"))
@rule(Row.VIOLATION, "a violation within a fragmented message → 1002; the message is dropped")
def test_violation_within_a_message(
    server: Server, connect: Connect, colour: str, token: str, send: object
) -> None:
    assert callable(send)
    client = connect(f"/{colour}/callbacks?token={token}")
    client.send_frame(TEXT, b"begun", fin=False)
    send(client)
    client.expect_failure(1002)
    assert server.events.wait_for(token, "closed")[0]["code"] == 1002


@requires("violation_codes")
@both_colours
@rule(Row.VIOLATION, "what follows a violation is not handled, a close frame neither")
def test_frames_behind_a_violation(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/act?token={token}")
    note = encode_frame(TEXT, b'{"do": "note"}')
    bad, good = encode_frame(0x3), encode_frame(CLOSE, close_payload(4000))
    client.stream.write(bad + note + good)
    client.expect_failure(1002)
    assert server.events.wait_for(token, "ended")[0]["code"] == 1002
    assert not server.events.of(token, "noted")


@requires("violation_codes")
@both_colours
@rule(Row.VIOLATION, "a peer that sends on without reading can still read the 1002")
def test_violation_of_a_peer_that_sends_on(connect: Connect, colour: str) -> None:
    with undisturbed(connect):
        client = connect(f"/{colour}/echo")
        client.stream.write(encode_frame(0x3) + encode_frame(BINARY, bytes(MIB)) * 4)
        client.expect_failure(1002)


@requires("early_limits")
@both_colours
@rule(Row.LIMITS, "a peer that sends all of a 20 MiB message can still read the 1009")
def test_oversized_message_that_is_sent_whole(connect: Connect, colour: str) -> None:
    with undisturbed(connect):
        client = connect(f"/{colour}/echo")
        client.stream.write(encode_frame(BINARY, bytes(20 * MIB), key=b"\0\0\0\0"))
        client.expect_failure(1009)


@both_colours
@rule(Row.HOSTILE, "frames of every kind in single bytes are the same frames")
def test_every_kind_of_frame_byte_by_byte(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    frames = encode_frame(TEXT, "€".encode()[:2], fin=False) + encode_frame(PING, b"between")
    frames += encode_frame(CONTINUATION, "€".encode()[2:]) + encode_frame(BINARY, bytes(300))
    for byte in frames:
        client.stream.write(bytes([byte]))
    assert client.read_frame().payload == b"between"
    assert client.read_text() == "€"
    assert client.read_binary() == bytes(300)
