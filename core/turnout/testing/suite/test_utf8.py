"""Text that is not UTF-8: the server fails the connection with 1007 (RFC 6455 section 8.1)."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.frames import CLOSE, TEXT, close_payload
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row

INVALID = {
    "lone continuation byte": b"abc\x80",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "truncated": b"caf\xc3",
}


@requires("violation_codes")
@both_colours
@pytest.mark.parametrize("payload", INVALID.values(), ids=INVALID)
@rule(Row.UTF8, "text that is not UTF-8 → 1007")
def test_invalid_text(connect: Connect, colour: str, payload: bytes) -> None:
    client = connect(f"/{colour}/echo")
    client.send_text(payload)
    client.expect_failure(1007)


@both_colours
@rule(Row.UTF8, "a character may be cut by a fragment's end")
def test_character_across_fragments(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(TEXT, b"\xe2\x82", fin=False)
    client.send_frame(0, b"\xac")
    assert client.read_text() == "€"


@requires("violation_codes")
@both_colours
@rule(Row.UTF8, "a character may not be cut by the end of a message")
def test_character_cut_by_the_end(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(TEXT, b"\xe2\x82", fin=False)
    client.send_frame(0, b"")
    client.expect_failure(1007)


@requires("violation_codes")
@both_colours
@rule(Row.UTF8, "invalid text fails fast: at the fragment that has it, not at the message's end")
def test_invalid_text_fails_fast(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(TEXT, b"abc\xff", fin=False)
    client.expect_failure(1007)


@requires("violation_codes")
@both_colours
@rule(Row.UTF8, "a close reason that is not UTF-8 → 1007")
def test_invalid_close_reason(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/echo")
    client.send_frame(CLOSE, close_payload(1000, b"\xff\xfe"))
    client.expect_failure(1007)


@requires("partial_messages")
@both_colours
@rule(Row.UTF8, "handlers of partial messages get whole characters only")
def test_pieces_have_whole_characters(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/pieces")
    client.send_frame(TEXT, "a€".encode()[:2], fin=False)
    client.send_frame(0, "a€".encode()[2:])
    pieces = [client.read_text()]
    while not pieces[-1].endswith("true]"):
        pieces.append(client.read_text())
    assert "�" not in "".join(pieces)
    assert "€" in "".join(pieces).encode().decode("unicode_escape")
