"""The input of an ASGI host behind its guard: when a ping reaches the host, and in which place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compat.framed import Seeing, Unseen, begin

from turnout.messages import BinaryMessage, DataMessage, Message, PingMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver
from turnout.testing.frames import BINARY, CONTINUATION, PING, PONG, TEXT, encode_frame
from turnout_compat.asgi_frames import IN_A_ROW, Event, GuardedInput

FIRST, SECOND = encode_frame(PING, b"first"), encode_frame(PING, b"second")
DATA = encode_frame(BINARY, b"x" * 1000)


@pytest.fixture
def guarded() -> GuardedInput:
    """An input whose host cannot write for now."""
    made = GuardedInput()
    begin(made, Unseen())
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
    begin(guarded, Unseen())
    assert list(guarded.receive(pong + DATA)) == ([DATA] if keeps else [pong, DATA])


def test_pings_that_the_host_does_not_get_are_to_be_answered_by_it() -> None:
    """The latest, once it may write again; no place among the bytes is wrong for an event."""
    guarded = GuardedInput(keeps_pings=True)
    begin(guarded, Unseen())
    assert list(guarded.receive(FIRST)) == [{"type": "turnout.answer", "payload": b"first"}]
    guarded.writing_paused = True
    assert list(guarded.receive(FIRST + SECOND)) == []
    assert guarded.resume() == {"type": "turnout.answer", "payload": b"second"}
    assert guarded.resume() == b""


def test_host_gets_so_many_messages_in_a_row() -> None:
    """Behind them, it does not matter how much has come: they wait until those are taken."""
    guarded = GuardedInput(paced=True)
    begin(guarded, Unseen())
    assert list(guarded.receive(DATA * (IN_A_ROW + 1))) == [DATA] * IN_A_ROW
    assert list(guarded.receive(DATA)) == []
    assert guarded.waits
    assert list(guarded.more()) == [DATA] * 2
    assert not guarded.waits


# Messages that do not go through the host


def test_whole_messages_do_not_go_through_the_host() -> None:
    guarded, connection = GuardedInput(paced=True), Seeing()
    begin(guarded, connection)
    text = encode_frame(TEXT, "é".encode())
    assert list(guarded.receive(text + DATA * IN_A_ROW)) == []
    whole = [BinaryMessage(b"x" * 1000)] * IN_A_ROW
    assert connection.messages == [TextMessage("é"), *whole]
    assert not guarded.waits


def test_messages_follow_what_is_on_its_way_through_the_host() -> None:
    guarded, connection = GuardedInput(), Seeing()
    begin(guarded, connection)
    ping = {"type": "turnout.ping", "message": PingMessage(b"first")}
    assert list(guarded.receive(FIRST + DATA)) == [FIRST, ping, DATA]
    assert not guarded.deliver(ping)
    assert list(guarded.receive(DATA)) == [DATA]
    connection.taken = 2
    assert list(guarded.receive(DATA)) == [DATA]
    connection.taken = 4
    assert list(guarded.receive(DATA)) == []
    assert len(connection.messages) == 1


def test_messages_go_through_the_host_while_the_connection_takes_none() -> None:
    guarded, connection = GuardedInput(), Seeing()
    begin(guarded, connection)
    connection.takes = 1
    assert list(guarded.receive(DATA + DATA)) == [DATA]
    assert len(connection.messages) == 1


def test_text_that_is_no_utf8_fails_behind_the_messages_before_it() -> None:
    guarded, connection = GuardedInput(), Seeing()
    begin(guarded, connection)
    [failed] = guarded.receive(DATA + encode_frame(TEXT, b"\xff") + DATA)
    assert isinstance(failed, dict)
    assert (failed["type"], failed["error"].code) == ("turnout.failed", 1007)
    assert len(connection.messages) == 1
    assert list(guarded.receive(DATA)) == []


FRAMES = st.sampled_from(
    [
        encode_frame(TEXT, b"text"),
        encode_frame(BINARY, b"b" * 200),
        encode_frame(BINARY, b""),
        encode_frame(TEXT, b"begun, ", fin=False) + encode_frame(CONTINUATION, b"ended"),
        FIRST,
        SECOND,
        encode_frame(PONG, b"unasked"),
    ]
)


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(1, 60)), st.data())
def test_order_of_messages_does_not_depend_on_their_way(
    frames: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    """However the bytes are cut, and whenever the application takes what the host has."""
    sent = b"".join(frames)
    guarded, connection = GuardedInput(keeps_pings=True), Seeing()
    begin(guarded, connection)
    host = Host(guarded, connection)
    for chunk in cut(sent, cuts):
        host.take(guarded.receive(chunk))
        if data.draw(st.booleans()):
            host.deliver()
    host.deliver()
    assert connection.messages == list(events_of(sent))


class Host:
    """Reads as a host would, and keeps what it read until the application asks."""

    def __init__(self, guarded: GuardedInput, connection: Seeing) -> None:
        self._guarded = guarded
        self._connection = connection
        self._driver = Driver(WebSocketOptions())
        self._queue: list[Message] = []

    def take(self, pieces: Iterable[bytes | Event]) -> None:
        """Read what the guard lets through."""
        for piece in pieces:
            if isinstance(piece, bytes):
                self._driver.receive_data(piece)
                while isinstance(message := self._driver.next_event(), Message):
                    if isinstance(message, DataMessage):
                        self._queue.append(message)
            elif piece["type"] != "turnout.answer" and not self._guarded.deliver(piece):
                self._queue.append(piece["message"])

    def deliver(self) -> None:
        """Let the application take it all."""
        self._connection.messages += self._queue
        self._connection.taken += len(self._queue)
        self._queue.clear()


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut bytes into pieces of these sizes, and the rest."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def events_of(data: bytes) -> Iterator[object]:
    """Return what the standard driver reads."""
    driver = Driver(WebSocketOptions())
    driver.receive_data(data)
    while (event := driver.next_event()) is not None:
        yield event
