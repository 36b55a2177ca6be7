"""Messages over the limit: the server fails the connection with 1009, before it buffers them."""

from __future__ import annotations

import json

import pytest

from turnout.testing.client import Connect
from turnout.testing.frames import BINARY, TEXT, encode_frame
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row

TEXT_LIMIT, BINARY_LIMIT = 1000, 500  # of the subject's /limited


@both_colours
@rule(Row.LIMITS, "a limit is inclusive: a message of exactly its size passes")
def test_message_at_the_limit(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/limited")
    client.send_text("x" * TEXT_LIMIT)
    assert client.read_text() == "x" * TEXT_LIMIT
    client.send_binary(b"x" * BINARY_LIMIT)
    assert client.read_binary() == b"x" * BINARY_LIMIT


@both_colours
@pytest.mark.parametrize(
    ("opcode", "size"), [(TEXT, TEXT_LIMIT + 1), (BINARY, BINARY_LIMIT + 1)], ids=["text", "binary"]
)
@rule(Row.LIMITS, "a message one byte over the limit → 1009")
def test_message_over_the_limit(connect: Connect, colour: str, opcode: int, size: int) -> None:
    client = connect(f"/{colour}/limited")
    client.send_frame(opcode, b"x" * size)
    client.expect_failure(1009)


@both_colours
@rule(Row.LIMITS, "a message and one over the limit in one segment: the answer, then 1009")
def test_oversized_message_in_the_segment_of_another(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/limited")
    client.stream.write(encode_frame(TEXT, b"before") + encode_frame(TEXT, b"x" * 1001))
    assert client.read_text() == "before"
    client.expect_failure(1009)


@both_colours
@rule(Row.LIMITS, "text is counted in bytes of UTF-8")
def test_limit_counts_bytes(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/limited")
    client.send_text("é" * (TEXT_LIMIT // 2 + 1))
    client.expect_failure(1009)


@requires("early_limits")
@both_colours
@pytest.mark.parametrize("declared", [TEXT_LIMIT + 1, 70_000, 1 << 40, (1 << 63) - 1])
@rule(Row.LIMITS, "a declared length over the limit → 1009 at once, before its payload")
def test_declared_length(connect: Connect, colour: str, declared: int) -> None:
    client = connect(f"/{colour}/limited")
    client.send_frame(TEXT, b"", declared_length=declared)
    client.expect_failure(1009)


@requires("early_limits")
@both_colours
@rule(Row.LIMITS, "fragments that add up to more than the limit → 1009")
def test_accumulated_length(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/limited")
    client.send_frame(TEXT, b"x" * TEXT_LIMIT, fin=False)
    client.send_ping(b"still here")
    assert client.read_frame().payload == b"still here"
    client.send_frame(0, b"x", fin=False)
    client.expect_failure(1009)


@requires("early_limits")
@both_colours
@rule(Row.LIMITS, "by default 1 MiB passes and one byte more → 1009")
def test_default_limit(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(BINARY, b"", declared_length=1024 * 1024 + 1)
    client.expect_failure(1009)


@requires("partial_messages")
@both_colours
@rule(Row.LIMITS, "handlers of partial messages have a limit per piece and one in all")
def test_limits_of_partial_messages(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/limited/pieces")
    client.send_frame(TEXT, b"x" * 1000, fin=False)
    client.send_frame(0, b"x" * 1000, fin=False)
    client.send_frame(0, b"x" * 1000, fin=False)
    received = 0
    while received < 3000:
        received += len(json.loads(client.read_text())[1])
    client.send_frame(0, b"x")
    client.expect_failure(1009)
