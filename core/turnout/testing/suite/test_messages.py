"""Messages of every kind and size, there and back."""

from __future__ import annotations

import hashlib

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import ask, command
from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.marks import both_colours, rule, slow
from turnout.testing.rows import Row

MIB = 1024 * 1024
TEXTS = {
    "short": "hello",
    "empty": "",
    "emoji": "🚂 turnout 👩‍🔧 é ß 漢字",
    "zero": "a\x00b",
    "125 bytes": "x" * 125,
    "126 bytes": "x" * 126,
    "65535 bytes": "x" * 65535,
    "65536 bytes": "x" * 65536,
}
SHAPES = ["echo", "callbacks"]


@both_colours
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@rule(Row.MESSAGES, "text comes back as it went")
def test_text(connect: Connect, colour: str, shape: str, text: str) -> None:
    client = connect(f"/{colour}/{shape}")
    client.send_text(text)
    assert client.read_text() == text
    assert client.close() == (1000, "")


@both_colours
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("data", [b"", bytes(range(256)), b"\xff" * 65536], ids=len)
@rule(Row.MESSAGES, "binary comes back as it went")
def test_binary(connect: Connect, colour: str, shape: str, data: bytes) -> None:
    client = connect(f"/{colour}/{shape}")
    client.send_binary(data)
    assert client.read_binary() == data
    assert client.close() == (1000, "")


@both_colours
@rule(Row.MESSAGES, "1 MiB of text and of binary, each way")
def test_one_mebibyte(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    text = "0123456789abcdef" * (MIB // 16)
    client.send_text(text)
    assert client.read_text() == text
    data = hashlib.sha256(b"seed").digest() * (MIB // 32)
    client.send_binary(data)
    assert client.read_binary() == data


@slow
@both_colours
@rule(Row.MESSAGES, "10,000 messages come back in order")
def test_ten_thousand_messages_in_order(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    for start in range(0, 10_000, 500):
        batch = [f"message {number}" for number in range(start, start + 500)]
        client.stream.write(b"".join(encode_frame(TEXT, text.encode()) for text in batch))
        assert [client.read_text() for _ in batch] == batch


@both_colours
@rule(Row.MESSAGES, "a message in many fragments, with pings between, is one message")
def test_fragmented_message(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(TEXT, "été ".encode()[:1], fin=False)
    client.send_ping(b"between")
    assert client.read_frame().payload == b"between"
    client.send_frame(0, "été ".encode()[1:], fin=False)
    client.send_frame(0, b"", fin=False)
    client.send_frame(0, b"passe")
    assert client.read_text() == "été passe"


@rule(Row.MESSAGES, "frames cut anywhere by the network are the same frames")
def test_frame_byte_by_byte(connect: Connect) -> None:
    client = connect("/async/echo")
    for byte in encode_frame(TEXT, b"slowly") + encode_frame(TEXT, b"x" * 200):
        client.stream.write(bytes([byte]))
    assert client.read_text() == "slowly"
    assert client.read_text() == "x" * 200


@rule(Row.MESSAGES, "a server's frames are not masked (RFC 6455 §5.1)")
def test_server_does_not_mask(connect: Connect) -> None:
    client = connect("/async/echo")
    client.send_text("bare")
    frame = client.read_frame()
    assert not frame.masked
    assert (frame.rsv1, frame.rsv2, frame.rsv3) == (False, False, False)


@both_colours
@rule(Row.MESSAGES, "a handler may send without having been asked")
def test_messages_from_the_handler(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "burst", count=50, size=1000)
    received = [client.read_binary() for _ in range(50)]
    assert [int.from_bytes(data[:4], "big") for data in received] == list(range(50))
    assert client.read_text() == '{"sent": 50}'


@both_colours
@rule(Row.MESSAGES, "send takes an iterable of messages and sends them one by one")
def test_iterables(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "send iterables")
    expected = [f"{which} {number}" for which in ("first", "second") for number in range(3)]
    assert [client.read_text() for _ in range(6)] == expected
    assert client.read_text() == '"done"'


@both_colours
@rule(Row.KIND, "binary to a text handler → 1003")
def test_binary_to_a_text_handler(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/text")
    client.send_text("loud")
    assert client.read_text() == "LOUD"
    client.send_binary(b"data")
    assert client.read_close()[0] == 1003


@both_colours
@rule(Row.KIND, "text to a binary handler → 1003")
def test_text_to_a_binary_handler(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/binary")
    client.send_binary(b"abc")
    assert client.read_binary() == b"cba"
    client.send_text("text")
    assert client.read_close()[0] == 1003


@rule(Row.MESSAGES, "connections do not hear each other")
def test_connections_are_separate(connect: Connect) -> None:
    one, other = connect("/async/act"), connect("/plain/act")
    assert ask(one, "facts")["id"] != ask(other, "facts")["id"]
