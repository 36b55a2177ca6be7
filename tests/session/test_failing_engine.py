"""An engine that raises, blocks, or calls back while it takes a message: nobody waits for ever."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.manual import ManualConnection
from tests.session.test_closing import make_session

from turnout import CloseStatus, Message, Overflow, PingMessage, ProtocolError, TextMessage


class EngineError(Exception):
    """What an engine raises for a message that it cannot encode."""


def refuse(connection: ManualConnection, payload: str) -> None:
    """Make the engine raise for one payload."""
    send = connection.send

    def checked(message: Message) -> None:
        if message.payload == payload:
            raise EngineError
        send(message)

    connection.send = checked  # type: ignore[method-assign]


def begin(coroutine: Any) -> Any:
    """Run a coroutine to its first wait, and return it."""
    coroutine.send(None)
    return coroutine


def test_an_error_at_once_is_the_senders() -> None:
    session, connection, _ = make_session()
    refuse(connection, "bad")
    with pytest.raises(EngineError):
        session.send("bad").send(None)
    session.post(TextMessage("good"))
    assert [message.payload for message in connection.sent] == ["good"]


def test_an_error_later_is_the_senders_and_holds_nobody_up() -> None:
    """The message waited; its sender gets the error, the engine does not, and the rest is sent."""
    session, connection, runtime = make_session()
    refuse(connection, "bad")
    session.pause_writing()
    first, bad, last = (begin(session.send(text)) for text in ("first", "bad", "last"))
    session.resume_writing()
    assert [message.payload for message in connection.sent] == ["first", "last"]
    with pytest.raises(EngineError):
        bad.send(None)
    for sent in (first, last):
        with pytest.raises(StopIteration):
            sent.send(None)
    assert session.waiting_bytes == 0
    session.begin_close(CloseStatus(1000))
    session.connection_lost(None)
    session.finished()
    assert runtime.timers == 0


def test_an_error_later_of_a_message_that_nobody_waits_for_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session, connection, _ = make_session()
    refuse(connection, "bad")
    session.pause_writing()
    session.post(TextMessage("bad"))
    session.resume_writing()
    assert "EngineError" in caplog.text
    assert session.is_open


def test_an_error_does_not_keep_the_close_frame_back() -> None:
    session, connection, _ = make_session()
    refuse(connection, "bad")
    session.pause_writing()
    session.post(TextMessage("bad"))
    session.begin_close(CloseStatus(4001))
    session.resume_writing()
    assert connection.closes == [CloseStatus(4001)]


def test_a_close_while_the_engine_takes_a_message_is_sent_behind_it() -> None:
    """A blocking engine lets others run meanwhile; one of them closes."""
    session, connection, _ = make_session()
    send = connection.send

    def close_meanwhile(message: Message) -> None:
        session.begin_close(CloseStatus(4002))
        assert connection.closes == []
        send(message)

    connection.send = close_meanwhile  # type: ignore[method-assign]
    session.post(TextMessage("x"))
    assert connection.closes == [CloseStatus(4002)]


def test_a_close_while_the_engine_fails_to_take_a_message_is_sent() -> None:
    session, connection, _ = make_session()

    def close_and_raise(message: Message) -> None:
        session.begin_close(CloseStatus(4002))
        raise EngineError

    connection.send = close_and_raise  # type: ignore[method-assign]
    with pytest.raises(EngineError):
        session.post(TextMessage("x"))
    assert connection.closes == [CloseStatus(4002)]


def test_a_close_behind_a_message_that_is_dropped_is_sent() -> None:
    """With DROP, what was stuck is dropped; the close frame that waited for it goes out."""
    session, connection, runtime = make_session(overflow=Overflow.DROP, send_timeout=1.0)
    session.pause_writing()
    session.post(TextMessage("stuck"))
    session.begin_close(CloseStatus(4003))
    runtime.advance(1.1)
    assert session.dropped_messages == 1
    assert connection.closes == [CloseStatus(4003)]


def test_a_ping_does_not_wait_for_a_message_in_pieces() -> None:
    """Control frames may stand between fragments (RFC 6455 section 5.4)."""
    session, connection, _ = make_session()
    session.post(TextMessage("a", is_last=False))
    session.post(PingMessage(b"p"))
    session.post(TextMessage("b", is_first=False))
    assert [message.payload for message in connection.sent] == ["a", b"p", "b"]


def test_a_message_in_pieces_that_takes_its_time_is_no_slow_reader() -> None:
    """What is held back waits for this side, not for the peer: `send_timeout` does not count it."""
    session, connection, runtime = make_session(send_timeout=1.0, ping_interval=2.0)
    session.post(TextMessage("a", is_last=False))
    held = begin(session.send("whole"))
    runtime.advance(10.0)
    assert session.is_open
    session.post(TextMessage("b", is_first=False))
    with pytest.raises(StopIteration):
        held.send(None)
    data = [message.payload for message in connection.sent if isinstance(message, TextMessage)]
    assert data == ["a", "b", "whole"]


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_piece_that_fails_leaves_its_message_as_it_was(place: str) -> None:
    """What was never begun holds nothing back; what was begun can still be ended."""
    session, connection, _ = make_session()
    refuse(connection, "bad")
    first = place == "first"
    if not first:
        session.post(TextMessage("a", is_last=False))
    with pytest.raises(EngineError):
        session.post(TextMessage("bad", is_first=first, is_last=place == "last"))
    session.post(TextMessage("whole"))
    if not first:
        session.post(TextMessage("b", is_first=False))
    expected = ["whole"] if first else ["a", "b", "whole"]
    assert [message.payload for message in connection.sent] == expected


def test_a_session_that_is_finished_without_an_end_is_cut() -> None:
    """Its host was cancelled twice, say: no timer is left that would cut the connection later."""
    session, connection, runtime = make_session()
    session.begin_close(CloseStatus(1001))
    session.finished()
    assert connection.ended == "aborted"
    assert runtime.timers == 0


@pytest.mark.parametrize("how", ["here", "peer", "violation", "overflow"])
def test_a_close_frame_that_cannot_be_sent_cuts_the_connection(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever closes many sessions goes on with the next, and an engine gets no error back."""
    session, connection, runtime = make_session(send_timeout=1.0)

    def fail(status: CloseStatus) -> None:
        raise EngineError

    connection.send_close = fail  # type: ignore[method-assign]
    if how == "here":
        session.begin_close(CloseStatus(1001))
    elif how == "peer":
        session.close_received(CloseStatus(1001))
    elif how == "violation":
        session.failed(CloseStatus(1002), ProtocolError("no"))
    else:
        session.pause_writing()
        session.post(TextMessage("x"))
        runtime.advance(1.1)
    assert connection.ended == "aborted"
    assert "EngineError" in caplog.text
