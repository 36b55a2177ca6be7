"""The driver on a transport: messages both ways, and what comes before the start."""

from __future__ import annotations

from tests.protocol.ends import OPTIONS, Ends
from tests.protocol.wire import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RecordingTransport,
    compressed,
    frame,
)

from turnout.messages import BinaryMessage, PingMessage, PongMessage, TextMessage
from turnout.protocol.connection import StandardConnection
from turnout.protocol.extensions import DeflateParameters
from turnout.protocol.prepared import PreparedMessage

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
