"""A connection whose few bytes inflate to many: it takes its turn, and then the others theirs."""

from __future__ import annotations

import pytest
from tests.protocol.ends import BYE, Ends
from tests.protocol.wire import BINARY, close_frame, compressed, frame

from turnout.close import CloseStatus
from turnout.messages import BinaryMessage
from turnout.protocol.connection import LONG_READ, TURN
from turnout.protocol.extensions import DeflateParameters

SIZE = TURN // 8
PAYLOADS = [bytes([number]) * SIZE for number in range(20)]
FRAMES = [frame(BINARY, compressed(payload), rsv=4) for payload in PAYLOADS]
FLOOD = b"".join(FRAMES)


@pytest.fixture
def ends() -> Ends:
    """A connection with compression."""
    return Ends(deflate=DeflateParameters(12, 12))


def taken(ends: Ends) -> int:
    """Return how many of the messages have come, and that they came in order."""
    messages = [event for event in ends.session.events if isinstance(event, BinaryMessage)]
    assert [message.payload for message in messages] == PAYLOADS[: len(messages)]
    return len(messages)


def test_what_is_more_than_a_turn_waits_for_the_next(ends: Ends) -> None:
    ends.receive(FLOOD)
    taken_by_turn = [taken(ends)]
    while taken_by_turn[-1] < len(FRAMES):
        assert ends.transport.calls[-1] == "pause_reading"
        ends.session.runtime.next()
        taken_by_turn.append(taken(ends))
    assert taken_by_turn == [8, 16, 20]
    assert ends.transport.calls[-1] == "resume_reading"


def test_what_comes_meanwhile_waits_too(ends: Ends) -> None:
    ends.receive(FLOOD[:-10])
    ends.receive(FLOOD[-10:])
    assert taken(ends) == 8
    for _ in range(2):
        ends.session.runtime.next()
    assert taken(ends) == len(FRAMES)


def test_small_messages_have_turns_as_well(ends: Ends) -> None:
    ends.receive(frame(BINARY, compressed(b"x"), rsv=4) * 1000)
    assert 0 < len(ends.session.events) < 1000


def test_messages_that_are_not_compressed_count_where_others_could_be(ends: Ends) -> None:
    ends.receive(frame(BINARY, b"x" * 1000) * 1000)
    assert 0 < len(ends.session.events) < 1000


def test_session_that_pauses_has_the_last_word(ends: Ends) -> None:
    ends.receive(FLOOD)
    ends.connection.pause_reading()
    ends.session.runtime.next()
    assert taken(ends) == 8
    ends.connection.resume_reading()
    assert taken(ends) == 16


def test_session_that_pauses_within_a_turn(ends: Ends) -> None:
    ends.session.pause_after = 8
    ends.receive(FLOOD)
    ends.session.runtime.next()
    assert taken(ends) == 8


def test_own_close_does_not_wait(ends: Ends) -> None:
    """Nor does what the peer sends about it: only data messages are dropped by then."""
    ends.receive(FLOOD + close_frame(BYE))
    ends.connection.send_close(CloseStatus(4002))
    for _ in range(4):
        ends.session.runtime.next()
    assert taken(ends) == 8
    assert ends.session.events[-1] == CloseStatus(4001, "bye")


def test_end_of_input_comes_behind_the_last_turn(ends: Ends) -> None:
    ends.receive(FLOOD)
    ends.connection.eof_received()
    assert ends.ends == []
    for _ in range(2):
        ends.session.runtime.next()
    assert taken(ends) == len(FRAMES)
    assert ends.ends == ["abort"]


@pytest.mark.parametrize("end", ["close", "abort", "connection_lost"])
def test_connection_that_ends_while_it_rests(ends: Ends, end: str) -> None:
    ends.receive(FLOOD)
    if end == "connection_lost":
        ends.connection.connection_lost(None)
    else:
        getattr(ends.connection, end)()
    ends.session.runtime.next()
    assert taken(ends) == 8


def test_next_read_behind_a_long_one_waits_too() -> None:
    """Whether compression is on or not: uvloop would read on."""
    ends = Ends()
    ends.receive(frame(BINARY, bytes(LONG_READ)))
    assert len(ends.session.events) == 1
    assert ends.transport.calls == ["pause_reading"]
    ends.session.runtime.next()
    assert ends.transport.calls == ["pause_reading", "resume_reading"]


def test_long_read_that_the_session_pauses_behind() -> None:
    ends = Ends()
    ends.session.pause_after = 1
    ends.receive(frame(BINARY, bytes(LONG_READ)))
    ends.session.runtime.next()
    assert ends.transport.calls == ["pause_reading"]
