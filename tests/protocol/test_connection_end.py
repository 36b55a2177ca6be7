"""The driver on a transport: how a connection ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.protocol.ends import BYE, Ends
from tests.protocol.wire import PONG, TEXT, close_frame, frame

from turnout.close import CloseStatus
from turnout.errors import InvalidCloseError, InvalidPayloadError, ProtocolError
from turnout.messages import Message, PongMessage, TextMessage


def test_peer_closes(ends: Ends) -> None:
    ends.receive(close_frame(BYE) + b"what follows a close frame")
    assert ends.session.events == [CloseStatus(4001, "bye")]
    assert ends.transport.frames == [(0x88, BYE)]
    assert ends.ends == ["close"]
    ends.receive(frame(TEXT, b"late"))
    assert len(ends.session.events) == 1


def test_peer_closes_without_a_code(ends: Ends) -> None:
    ends.receive(close_frame())
    assert ends.session.events == [CloseStatus(1005)]
    assert ends.transport.frames == [(0x88, b"")]


def test_this_side_closes_first(ends: Ends) -> None:
    ends.connection.send_close(CloseStatus(4001, "bye"))
    assert ends.ends == []
    ends.receive(close_frame(BYE))
    assert ends.session.events == [CloseStatus(4001, "bye")]
    assert ends.ends == ["close"]


def test_messages_after_our_close_frame_are_discarded(ends: Ends) -> None:
    ends.connection.send_close(CloseStatus(1000))
    ends.receive(frame(TEXT, b"late") + frame(PONG, b"p") + close_frame(BYE))
    assert ends.session.events == [PongMessage(b"p"), CloseStatus(4001, "bye")]


def test_our_close_frame_lets_the_peers_through_to_a_paused_session(ends: Ends) -> None:
    ends.session.pause_after = 1
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2") + close_frame(BYE))
    assert ends.session.events == [TextMessage("1")]
    ends.connection.send_close(CloseStatus(1000))
    assert ends.session.events == [TextMessage("1"), CloseStatus(4001, "bye")]
    ends.connection.pause_reading()
    assert ends.ends == ["close"]


def test_close_that_may_not_be_sent_sends_nothing(ends: Ends) -> None:
    with pytest.raises(InvalidCloseError):
        ends.connection.send_close(CloseStatus(1006))
    assert ends.transport.writes == []
    ends.receive(frame(TEXT, b"still open"))
    assert ends.session.events == [TextMessage("still open")]


VIOLATIONS: list[tuple[bytes, int, type[ProtocolError]]] = [
    (frame(3), 1002, ProtocolError),
    (frame(TEXT, b"\xff"), 1007, InvalidPayloadError),
]


@pytest.mark.parametrize(("data", "code", "error"), VIOLATIONS)
def test_violation_lingers_until_the_peer_ends(
    ends: Ends, data: bytes, code: int, error: type[ProtocolError]
) -> None:
    """Closing a socket with unread input makes the kernel send RST; the close frame may be lost."""
    ends.receive(data + frame(TEXT, b"late"))
    assert ends.session.events == [(CloseStatus(code), error)]
    assert ends.transport.frames == [(0x88, code.to_bytes(2, "big"))]
    assert ends.ends == ["write_eof"]
    ends.receive(frame(TEXT, b"later"), close_frame(BYE))
    assert len(ends.session.events) == 1
    ends.connection.eof_received()
    assert ends.ends == ["write_eof", "close"]


def test_lingering_reads_on_though_the_session_had_paused(ends: Ends) -> None:
    ends.session.pause_after = 1
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2"))
    ends.connection.close()
    assert ends.transport.calls == ["pause_reading", "write_eof", "resume_reading"]
    ends.connection.pause_reading()
    ends.connection.resume_reading()
    ends.receive(frame(TEXT, b"3"))
    assert ends.session.events == [TextMessage("1")]
    assert ends.transport.calls == ["pause_reading", "write_eof", "resume_reading"]


def test_lingering_keeps_no_input(ends: Ends) -> None:
    ends.connection.close()
    ends.receive(bytes(100_000))
    assert ends.connection._driver._chunk == b""


def test_close_twice(ends: Ends) -> None:
    ends.connection.close()
    ends.connection.close()
    assert ends.ends == ["write_eof"]


def test_close_within_delivery_writes_first() -> None:
    ends = Ends(echo=True)
    ends.receive(frame(TEXT, b"a") + frame(3))
    assert ends.transport.order == ["write", "write_eof"]
    assert ends.transport.frames == [(0x81, b"a"), (0x88, b"\x03\xea")]


def test_abort(ends: Ends) -> None:
    ends.connection.abort()
    assert ends.ends == ["abort"]
    ends.receive(frame(TEXT, b"late"))
    assert ends.session.events == []


def test_abort_within_delivery_drops_what_is_corked() -> None:
    ends = Ends(echo=True)
    ends.session.on_end = lambda status: ends.connection.abort()
    ends.receive(frame(TEXT, b"a") + close_frame())
    assert ends.transport.writes == []
    assert ends.ends == ["abort"]


@pytest.mark.parametrize("act", ["abort", "close", "pause_reading"])
def test_nothing_is_delivered_once_the_session_has_had_enough(act: str) -> None:
    ends = Ends()

    def message_received(message: Message) -> None:
        stop: Callable[[], None] = getattr(ends.connection, act)
        stop()

    ends.session.on_message = message_received
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2"))
    assert ends.session.events == [TextMessage("1")]


def test_peer_vanishes(ends: Ends) -> None:
    error = ConnectionResetError()
    ends.connection.connection_lost(error)
    assert ends.session.events == [("lost", error)]


def test_end_of_input_without_a_close_frame(ends: Ends) -> None:
    ends.receive(frame(TEXT, b"1") + b"\x81")
    assert ends.connection.eof_received()
    assert ends.ends == ["abort"]
    ends.connection.connection_lost(None)
    assert ends.session.events == [TextMessage("1"), ("lost", None)]


def test_end_of_input_waits_until_a_paused_session_has_everything(ends: Ends) -> None:
    ends.session.pause_after = 1
    ends.receive(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"))
    ends.connection.eof_received()
    assert ends.ends == []
    ends.connection.resume_reading()
    assert ends.ends == []
    ends.connection.resume_reading()
    assert ends.session.events == [TextMessage("1"), TextMessage("2"), TextMessage("3")]
    ends.session.pause_after = None
    ends.connection.resume_reading()
    assert ends.ends == ["abort"]


def test_end_of_input_after_a_close_frame_leaves_time_for_ours(ends: Ends) -> None:
    ends.session.on_end = repr  # it answers later
    ends.receive(close_frame(BYE))
    ends.connection.eof_received()
    assert ends.ends == []
    ends.connection.send_close(CloseStatus(4001, "bye"))
    ends.connection.close()
    assert ends.transport.frames == [(0x88, BYE)]
    assert ends.ends == ["close"]


def test_end_of_input_after_a_violation_leaves_time_for_the_close_frame(ends: Ends) -> None:
    ends.session.on_end = repr  # it answers later
    ends.receive(frame(3))
    ends.connection.eof_received()
    assert ends.ends == []
    ends.connection.send_close(CloseStatus(1002))
    ends.connection.close()
    assert ends.ends == ["close"]


def test_end_of_input_while_our_close_frame_waits_for_an_answer(ends: Ends) -> None:
    ends.connection.send_close(CloseStatus(1000))
    ends.connection.eof_received()
    assert ends.ends == ["close"]
