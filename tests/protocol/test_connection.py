"""The driver on a transport: order, corking, back-pressure, and how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.protocol.wire import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RecordingTransport,
    attach,
    close_frame,
    compressed,
    frame,
)

from turnout.close import CloseStatus
from turnout.errors import InvalidCloseError, InvalidPayloadError, ProtocolError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.connection import CORK_LIMIT, StandardConnection
from turnout.protocol.extensions import DeflateParameters
from turnout.protocol.prepared import PreparedMessage

OPTIONS = WebSocketOptions()
BYE = (4001).to_bytes(2, "big") + b"bye"


class Ends:
    """A connection between a recording session and a recording transport."""

    def __init__(
        self,
        *,
        echo: bool = False,
        partial: bool = False,
        deflate: DeflateParameters | None = None,
        early_data: bytes = b"",
        started: bool = True,
    ) -> None:
        self.transport = RecordingTransport()
        self.connection = StandardConnection(
            self.transport, OPTIONS, deflate, partial=partial, early_data=early_data
        )
        self.transport.protocol = self.connection
        self.session = attach(self.connection, echo=echo)
        if started:
            self.connection.start()

    def receive(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.connection.data_received(chunk)

    @property
    def ends(self) -> list[str]:
        """What the transport was asked to do about its end."""
        return [call for call in self.transport.calls if not call.endswith("_reading")]


@pytest.fixture
def ends() -> Ends:
    return Ends()


# Messages both ways


def test_messages_reach_the_session(ends: Ends) -> None:
    ends.receive(
        frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(CONTINUATION, b"b"),
        frame(PONG, b"2") + frame(BINARY, b"c"),
    )
    assert ends.session.events == [
        PingMessage(b"1"),
        TextMessage("ab"),
        PongMessage(b"2"),
        BinaryMessage(b"c"),
    ]
    assert ends.transport.frames == [(0x8A, b"1")]


def test_pieces_reach_a_session_that_asks_for_them() -> None:
    ends = Ends(partial=True)
    ends.receive(frame(TEXT, b"a", fin=False))
    assert ends.session.events == [TextMessage("a", is_last=False)]


def test_messages_reach_the_transport(ends: Ends) -> None:
    ends.connection.send(TextMessage("a"))
    ends.connection.send(PingMessage(b"b"))
    ends.connection.send_prepared(PreparedMessage(BinaryMessage(b"c")))
    assert ends.transport.writes == [b"\x81\x01a", b"\x89\x01b", b"\x82\x01c"]


def test_deflate_both_ways() -> None:
    ends = Ends(deflate=DeflateParameters(12, 12), echo=True)
    ends.receive(frame(TEXT, compressed(b"hello" * 20), rsv=4))
    assert ends.session.events == [TextMessage("hello" * 20)]
    [(first, payload)] = ends.transport.frames
    assert first == 0xC1
    assert len(payload) < 20


def test_it_shows_its_transport() -> None:
    transport = RecordingTransport()
    transport.local_address = ("127.0.0.1", 80)
    transport.remote_address = ("127.0.0.1", 50_000)
    connection = StandardConnection(transport, OPTIONS)
    assert connection.local_address == ("127.0.0.1", 80)
    assert connection.remote_address == ("127.0.0.1", 50_000)
    assert connection.native == "native object"


def test_every_byte_counts_as_a_sign_of_life(ends: Ends) -> None:
    assert not ends.connection.heard
    ends.receive(b"\x81")
    assert ends.connection.heard


# Before the start


def test_early_data_waits_for_the_start() -> None:
    ends = Ends(early_data=frame(TEXT, b"1") + frame(TEXT, b"2")[:3], started=False)
    ends.receive(frame(TEXT, b"2")[3:] + frame(TEXT, b"3"))
    assert ends.session.events == []
    assert ends.transport.calls == ["pause_reading"]
    ends.connection.start()
    assert ends.session.events == [TextMessage("1"), TextMessage("2"), TextMessage("3")]
    assert ends.transport.calls == ["pause_reading", "resume_reading"]


def test_connection_lost_before_the_start() -> None:
    ends = Ends(early_data=frame(TEXT, b"1"), started=False)
    error = OSError()
    ends.connection.connection_lost(error)
    assert ends.session.events == []
    ends.connection.start()
    assert ends.session.events == [("lost", error)]


def test_end_of_input_before_the_start() -> None:
    ends = Ends(early_data=frame(TEXT, b"1"), started=False)
    assert ends.connection.eof_received()
    assert ends.ends == []
    ends.connection.start()
    assert ends.session.events == [TextMessage("1")]
    assert ends.ends == ["abort"]


def test_end_of_input_where_both_directions_end_together() -> None:
    """asyncio's TLS logs a warning for every connection that asks to keep its half open."""
    ends = Ends()
    ends.transport.half_closes = False
    assert not ends.connection.eof_received()


def test_full_transport_before_the_start() -> None:
    ends = Ends(started=False)
    ends.connection.pause_writing()
    assert ends.session.events == []
    ends.connection.start()
    assert ends.session.events == ["pause_writing"]


def test_transport_that_drained_before_the_start() -> None:
    ends = Ends(started=False)
    ends.connection.pause_writing()
    ends.connection.resume_writing()
    ends.connection.start()
    assert ends.session.events == []


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


# The end


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
