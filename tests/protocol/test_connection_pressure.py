"""The driver on a transport: corking, floods of pings, and back-pressure."""

from __future__ import annotations

import pytest
from tests.protocol.ends import BYE, Ends
from tests.protocol.wire import BINARY, PING, TEXT, close_frame, frame

from turnout.close import CloseStatus
from turnout.messages import BinaryMessage, Message, TextMessage
from turnout.protocol.connection import CORK_LIMIT

# Corking


def test_what_one_read_causes_leaves_in_one_write() -> None:
    ends = Ends(echo=True)
    ends.receive(frame(TEXT, b"a") + frame(PING, b"p") + frame(BINARY, b"b") + close_frame(BYE))
    assert ends.transport.writes == [b"\x81\x01a\x8a\x01p\x82\x01b\x88\x05" + BYE]
    assert ends.ends == ["close"]


def test_a_single_answer_is_not_copied() -> None:
    ends = Ends(echo=True)
    ends.receive(frame(TEXT, b"a"))
    assert ends.transport.writes == [b"\x81\x01a"]


def test_flush_writes_at_once() -> None:
    ends = Ends()
    seen: list[list[bytes]] = []

    def message_received(message: Message) -> None:
        ends.connection.send(message)
        ends.connection.flush()
        seen.append(list(ends.transport.writes))

    ends.session.on_message = message_received
    ends.receive(frame(TEXT, b"a") + frame(TEXT, b"b"))
    assert seen == [[b"\x81\x01a"], [b"\x81\x01a", b"\x81\x01b"]]
    assert ends.transport.writes == [b"\x81\x01a", b"\x81\x01b"]


def test_corked_bytes_are_bounded() -> None:
    ends = Ends(echo=True)
    message = frame(BINARY, bytes(1000))
    ends.receive(message * 200)
    assert len(ends.transport.frames) == 200
    assert 3 <= len(ends.transport.writes) <= 5
    assert max(map(len, ends.transport.writes)) < CORK_LIMIT + 1100


@pytest.mark.parametrize("within", [True, False], ids=["within a read", "later"])
def test_what_is_large_is_written_as_a_view(within: bool) -> None:
    """asyncio of Python 3.11 would copy what its socket does not take at once, twice."""
    ends = Ends(echo=within)
    message = BinaryMessage(bytes(CORK_LIMIT))
    if within:
        ends.receive(frame(BINARY, message.payload))
    else:
        ends.connection.send(message)
    assert ends.transport.has_views
    assert ends.transport.frames == [(0x82, message.payload)]


def test_what_is_corked_leaves_when_the_session_raises() -> None:
    ends = Ends()

    def message_received(message: Message) -> None:
        ends.connection.send(message)
        raise ZeroDivisionError

    ends.session.on_message = message_received
    with pytest.raises(ZeroDivisionError):
        ends.receive(frame(TEXT, b"a"))
    assert ends.transport.writes == [b"\x81\x01a"]
    ends.connection.send(TextMessage("b"))
    assert ends.transport.writes == [b"\x81\x01a", b"\x81\x01b"]


# Pings


def test_every_ping_is_answered_in_order(ends: Ends) -> None:
    ends.receive(b"".join(frame(PING, bytes([index])) for index in range(10)))
    assert ends.transport.frames == [(0x8A, bytes([index])) for index in range(10)]


def test_flood_of_pings_from_a_peer_that_does_not_read(ends: Ends) -> None:
    ends.connection.pause_writing()
    for index in range(1000):
        ends.receive(frame(PING, index.to_bytes(2, "big")))
    assert ends.transport.writes == []
    ends.connection.resume_writing()
    assert ends.transport.frames == [(0x8A, (999).to_bytes(2, "big"))]
    assert ends.session.events[-1] == "resume_writing"
    ends.connection.pause_writing()
    ends.connection.resume_writing()
    assert len(ends.transport.frames) == 1


def test_flood_of_pings_in_one_read(ends: Ends) -> None:
    """The transport gets the chance to say that it is full in the middle of a read."""
    ends.transport.full_after = 0
    ends.receive(frame(PING, bytes(125)) * 10_000)
    assert sum(map(len, ends.transport.writes)) < CORK_LIMIT + 200
    ends.connection.resume_writing()
    assert ends.transport.frames[-1] == (0x8A, bytes(125))


def test_no_pong_follows_the_close_frame(ends: Ends) -> None:
    ends.connection.pause_writing()
    ends.receive(frame(PING, b"early"))
    ends.connection.send_close(CloseStatus(1000))
    ends.receive(frame(PING, b"late"))
    ends.connection.resume_writing()
    assert ends.transport.frames == [(0x88, b"\x03\xe8")]


# Back-pressure


def test_paused_session_gets_nothing_and_holds_the_peer_back(ends: Ends) -> None:
    ends.session.pause_after = 2
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"))
    assert ends.session.events == [TextMessage("1"), TextMessage("2")]
    assert ends.transport.calls == ["pause_reading"]
    ends.receive(frame(TEXT, b"4"))  # was on its way
    assert len(ends.session.events) == 2
    ends.session.pause_after = None
    ends.connection.resume_reading()
    assert ends.session.events == [TextMessage(str(number)) for number in range(1, 5)]
    assert ends.transport.calls == ["pause_reading", "resume_reading"]


def test_resuming_delivers_what_is_left_before_the_transport_reads(ends: Ends) -> None:
    ends.session.pause_after = 1
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"))
    ends.connection.resume_reading()  # one more, and the session pauses again
    assert ends.session.events == [TextMessage("1"), TextMessage("2")]
    assert ends.transport.calls == ["pause_reading"]


def test_resuming_while_messages_are_delivered(ends: Ends) -> None:
    """A handler that takes the message at once; delivery must not nest."""
    depth, deepest = 0, 0

    def message_received(message: Message) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        ends.connection.pause_reading()
        ends.connection.resume_reading()
        depth -= 1

    ends.session.on_message = message_received
    ends.receive(frame(TEXT, b"x") * 5)
    assert ends.session.events == [TextMessage("x")] * 5
    assert deepest == 1
    assert ends.transport.calls.count("pause_reading") == ends.transport.calls.count(
        "resume_reading"
    )


def test_answers_to_what_was_left_are_corked_too() -> None:
    ends = Ends(echo=True)
    ends.session.pause_after = 1
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"))
    ends.session.pause_after = None
    ends.connection.resume_reading()
    assert ends.transport.writes == [b"\x81\x011", b"\x81\x012\x81\x013"]


def test_full_transport_is_passed_on(ends: Ends) -> None:
    ends.transport.full_after = 5
    ends.connection.send(TextMessage("a"))
    assert ends.session.events == []
    ends.connection.send(TextMessage("b"))
    assert ends.session.events == ["pause_writing"]
    ends.connection.resume_writing()
    assert ends.session.events == ["pause_writing", "resume_writing"]
