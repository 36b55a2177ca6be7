"""Frames that RFC 6455 forbids: the server fails the connection with 1002."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from turnout.testing.client import Connect, RawClient
from turnout.testing.frames import BINARY, CLOSE, PING, PONG, TEXT, close_payload, encode_frame
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

Violation = Callable[[RawClient], None]
SEGMENTS_END = {1002: encode_frame(0x3), 1007: encode_frame(TEXT, b"\xff")}
ILLEGAL_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@rule(Row.VIOLATION, "an unmasked frame → 1002 (RFC 6455 §5.1)")
def test_unmasked_frame(connect: Connect, colour: str, opcode: int) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(opcode, b"", masked=False)
    client.expect_failure(1002)


@requires("violation_codes")
@pytest.mark.parametrize("opcode", [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF])
@rule(Row.VIOLATION, "a reserved opcode → 1002 (RFC 6455 §5.2)")
def test_reserved_opcode(connect: Connect, opcode: int) -> None:
    client = connect("/async/echo")
    client.send_frame(opcode, b"")
    client.expect_failure(1002)


@requires("violation_codes")
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
@pytest.mark.parametrize("bits", [1, 2, 4, 7])
@rule(Row.VIOLATION, "a reserved bit that no extension has given a meaning → 1002 (RFC 6455 §5.2)")
def test_reserved_bits(connect: Connect, opcode: int, bits: int) -> None:
    client = connect("/async/echo")
    client.send_frame(opcode, b"", rsv=bits)
    client.expect_failure(1002)


@requires("violation_codes")
@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@rule(Row.VIOLATION, "a fragmented control frame → 1002 (RFC 6455 §5.5)")
def test_fragmented_control_frame(connect: Connect, opcode: int) -> None:
    client = connect("/async/echo")
    client.send_frame(opcode, b"", fin=False)
    client.expect_failure(1002)


@requires("violation_codes")
@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@rule(Row.VIOLATION, "a control frame of more than 125 bytes → 1002 (RFC 6455 §5.5)")
def test_long_control_frame(connect: Connect, opcode: int) -> None:
    client = connect("/async/echo")
    client.send_frame(opcode, close_payload(1000, "x" * 124))
    client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@rule(Row.VIOLATION, "a continuation of nothing → 1002 (RFC 6455 §5.4)")
def test_lone_continuation(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(0, b"of what?")
    client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@rule(Row.VIOLATION, "a new message inside a fragmented one → 1002 (RFC 6455 §5.4)")
def test_message_inside_a_message(connect: Connect, colour: str, opcode: int) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(TEXT, b"begun", fin=False)
    client.send_frame(opcode, b"another")
    client.expect_failure(1002)


@requires("violation_codes")
@rule(Row.VIOLATION, "a length with the top bit set → 1002 (RFC 6455 §5.2)")
def test_length_with_the_top_bit(connect: Connect) -> None:
    client = connect("/async/echo")
    client.send_frame(BINARY, b"", declared_length=1 << 63)
    client.expect_failure(1002)


@requires("violation_codes")
@pytest.mark.parametrize("header", [b"\x82\xfe\x00\x01", b"\x82\xff" + bytes(7) + b"\x01"])
@rule(Row.VIOLATION, "a length in more bytes than it needs → 1002 (RFC 6455 §5.2)")
def test_length_in_too_many_bytes(connect: Connect, header: bytes) -> None:
    client = connect("/async/echo")
    client.stream.write(header + b"\0\0\0\0" + b"x")
    client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("code", ILLEGAL_CODES)
@rule(Row.VIOLATION, "a close code that may not be sent → 1002 (RFC 6455 §7.4)")
def test_illegal_close_code(connect: Connect, colour: str, code: int) -> None:
    client = connect(f"/{colour}/callbacks")
    client.send_close(code)
    client.expect_failure(1002)


@requires("violation_codes")
@rule(Row.VIOLATION, "a close frame of one byte → 1002 (RFC 6455 §5.5.1)")
def test_close_of_one_byte(connect: Connect) -> None:
    client = connect("/async/echo")
    client.send_frame(CLOSE, b"\x03")
    client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@rule(Row.VIOLATION, "the handler hears of a violation: the error, then closed with the code sent")
def test_handler_hears_of_a_violation(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    client.send_frame(0x3)
    client.expect_failure(1002)
    closed = server.events.wait_for(token, "closed")[0]
    assert closed["code"] == 1002
    assert [one["error"] for one in server.events.of(token, "transport error")] == ["ProtocolError"]


@requires("violation_codes")
@both_colours
@rule(Row.VIOLATION, "what came whole before the violation is still answered")
def test_message_before_a_violation(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_text("before")
    assert client.read_text() == "before"
    client.send_frame(0x3)
    client.expect_failure(1002)


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("code", SEGMENTS_END)
@rule(Row.VIOLATION, "a message and a violation in one segment: the answer, then the failure")
def test_violation_in_the_segment_of_a_message(
    server: Server, connect: Connect, colour: str, token: str, code: int
) -> None:
    client = connect(f"/{colour}/callbacks?token={token}")
    client.stream.write(encode_frame(TEXT, b"before") + SEGMENTS_END[code])
    assert client.read_text() == "before"
    client.expect_failure(code)
    assert server.events.wait_for(token, "closed")[0]["code"] == code
