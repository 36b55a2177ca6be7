"""Partial messages, in and out."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import ask, command, read_json
from turnout.testing.frames import BINARY, TEXT
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row

PATHS = ["pieces", "pieces/callbacks"]


@requires("partial_messages")
@both_colours
@pytest.mark.parametrize("path", PATHS)
@rule(Row.PIECES, "a handler that asks gets the pieces as they come, not when all are there")
def test_pieces_as_they_come(connect: Connect, colour: str, path: str) -> None:
    client = connect(f"/{colour}/{path}")
    client.send_frame(TEXT, b"on", fin=False)
    assert read_json(client) == ["text", "on", True, False]
    client.send_frame(0, b"ce", fin=False)
    assert read_json(client) == ["text", "ce", False, False]
    client.send_frame(0, b"more")
    assert read_json(client) == ["text", "more", False, True]


@requires("partial_messages")
@both_colours
@pytest.mark.parametrize("path", PATHS)
@rule(Row.PIECES, "pieces of binary messages too, with a ping between")
def test_binary_pieces(connect: Connect, colour: str, path: str) -> None:
    client = connect(f"/{colour}/{path}")
    client.send_frame(BINARY, b"\x00", fin=False)
    assert read_json(client) == ["binary", "00", True, False]
    client.send_ping(b"between")
    assert client.read_frame().payload == b"between"
    client.send_frame(0, b"\x01")
    assert read_json(client) == ["binary", "01", False, True]


@both_colours
@pytest.mark.parametrize("path", PATHS)
@rule(Row.PIECES, "a whole message to a handler of pieces has is_first and is_last")
def test_whole_message_to_a_handler_of_pieces(connect: Connect, colour: str, path: str) -> None:
    client = connect(f"/{colour}/{path}")
    client.send_text("whole")
    assert read_json(client) == ["text", "whole", True, True]


@both_colours
@rule(Row.PIECES, "a handler that did not ask gets whole messages only")
def test_whole_messages_by_default(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/callbacks")
    client.send_frame(TEXT, b"one ", fin=False)
    client.send_frame(0, b"message")
    assert client.read_text() == "one message"


@requires("partial_send")
@both_colours
@rule(Row.PIECES, "a message sent in pieces leaves as they are sent, and is one message")
def test_pieces_out(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "send pieces")
    message = client.read_message()
    assert message.payload == "once more"
    assert message.frames == 3
    assert read_json(client) == "done"
    assert ask(client, "facts")["is_open"]
