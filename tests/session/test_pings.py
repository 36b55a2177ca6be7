"""Round trips of pings, and what is left of a ping that nobody waits for any more."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.manual import ManualConnection
from tests.session.test_closing import make_session

from turnout import ConnectionClosed, PongMessage, TextMessage, UsageError


def begin(coroutine: Any) -> Any:
    """Run a coroutine to its first wait, and return it."""
    coroutine.send(None)
    return coroutine


def result(coroutine: Any) -> Any:
    """Run a coroutine to its end, which is near, and return its result."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


def payloads(connection: ManualConnection) -> list[bytes]:
    """Return what the pings carry that were sent."""
    return [message.payload for message in connection.sent]


def test_a_pong_answers_its_ping_and_all_before_it() -> None:
    session, connection, runtime = make_session()
    first, second, third = (begin(session.ping()) for _ in range(3))
    runtime.advance(0.25)
    session.pong_received(PongMessage(payloads(connection)[1]))
    assert (result(first), result(second)) == (0.25, 0.25)
    third.close()


def test_a_ping_that_was_given_up_is_forgotten() -> None:
    """Its payload may be used again, and a peer that never answers fills no memory."""
    session, _, _ = make_session()
    for _ in range(3):
        begin(session.ping(b"same")).close()
    again = begin(session.ping(b"same"))
    session.pong_received(PongMessage(b"same"))
    assert result(again) == 0.0
    assert not session._pings._pending


def test_a_ping_that_could_not_be_sent_is_forgotten() -> None:
    session, _, _ = make_session()
    session.connection_lost(None)
    with pytest.raises(ConnectionClosed):
        session.ping(b"x").send(None)
    assert not session._pings._pending


def test_two_pings_with_one_payload_at_a_time_are_refused() -> None:
    """One pong could not tell them apart."""
    session, _, _ = make_session()
    first = begin(session.ping(b"same"))
    with pytest.raises(UsageError, match="already on its way"):
        session.ping(b"same").send(None)
    session.pong_received(PongMessage(b"same"))
    assert result(first) == 0.0


def test_the_ping_whose_payload_is_refused_leaves_the_first_alone() -> None:
    session, _, runtime = make_session()
    first = begin(session.ping(b"same"))
    with pytest.raises(UsageError):
        session.ping(b"same").send(None)
    runtime.advance(1.0)
    session.pong_received(PongMessage(b"same"))
    assert result(first) == 1.0


def test_messages_that_wait_here_are_no_silence_of_the_peer() -> None:
    """While this side holds the peer back, it is not idle: what it sends is not read."""
    session, _, runtime = make_session(idle_timeout=4.0, receive_buffer=0, ping_interval=None)
    session.message_received(TextMessage("x"))
    runtime.advance(60.0)
    assert session.is_open
    assert result(session.receive()) == TextMessage("x")
    runtime.advance(5.1)
    assert not session.is_open
