"""The input of an ASGI host behind its guard: when a ping reaches the host, and in which place."""

from __future__ import annotations

from typing import cast

import pytest

from turnout.options import WebSocketOptions
from turnout.testing.frames import BINARY, PING, PONG, encode_frame
from turnout_compat.asgi_frames import IN_A_ROW, FramedConnection, GuardedInput

FIRST, SECOND = encode_frame(PING, b"first"), encode_frame(PING, b"second")
DATA = encode_frame(BINARY, b"x" * 1000)


class Unseen:
    """A connection whose handler sees no control frames."""

    options = WebSocketOptions()
    deflate = None
    heard = False

    def take_control(self, message: object) -> bool:
        """Take it."""
        return True


@pytest.fixture
def guarded() -> GuardedInput:
    """An input whose host cannot write for now."""
    made = GuardedInput()
    made.begin(cast("FramedConnection", Unseen()))
    made.writing_paused = True
    return made


def test_latest_ping_waits_for_the_transport(guarded: GuardedInput) -> None:
    assert not guarded.has_late_ping
    assert list(guarded.receive(FIRST + SECOND)) == []
    assert guarded.has_late_ping
    assert guarded.resume() == SECOND
    assert guarded.resume() == b""


def test_late_ping_does_not_break_into_a_frame(guarded: GuardedInput) -> None:
    assert list(guarded.receive(FIRST + DATA[:500])) == [DATA[:500]]
    assert guarded.resume() == b""
    assert list(guarded.receive(DATA[500:])) == [DATA[500:], FIRST]
    assert not guarded.has_late_ping


def test_late_ping_waits_on_while_the_transport_does(guarded: GuardedInput) -> None:
    assert list(guarded.receive(FIRST + DATA)) == [DATA]
    assert guarded.has_late_ping


@pytest.mark.parametrize("keeps", [False, True])
def test_pongs_for_a_host_that_pings_and_for_one_that_does_not(keeps: bool) -> None:
    pong = encode_frame(PONG, b"unasked")
    guarded = GuardedInput(keeps_pongs=keeps)
    guarded.begin(cast("FramedConnection", Unseen()))
    assert list(guarded.receive(pong + DATA)) == ([DATA] if keeps else [pong, DATA])


def test_pings_that_the_host_does_not_get_are_to_be_answered_by_it() -> None:
    """The latest, once it may write again; no place among the bytes is wrong for an event."""
    guarded = GuardedInput(keeps_pings=True)
    guarded.begin(cast("FramedConnection", Unseen()))
    assert list(guarded.receive(FIRST)) == [{"type": "turnout.answer", "payload": b"first"}]
    guarded.writing_paused = True
    assert list(guarded.receive(FIRST + SECOND)) == []
    assert guarded.resume() == {"type": "turnout.answer", "payload": b"second"}
    assert guarded.resume() == b""


def test_host_gets_so_many_messages_in_a_row() -> None:
    """Behind them, it does not matter how much has come: they wait until those are taken."""
    guarded = GuardedInput(paced=True)
    guarded.begin(cast("FramedConnection", Unseen()))
    assert list(guarded.receive(DATA * (IN_A_ROW + 1))) == [DATA] * IN_A_ROW
    assert list(guarded.receive(DATA)) == []
    assert guarded.waits
    assert list(guarded.more()) == [DATA] * 2
    assert not guarded.waits
