"""The guard on a connection with permessage-deflate: an engine that knows nothing of it reads on.

The standard driver is what it is compared with: reading what the guard hands on, without
compression, it has the events that it has of the same bytes with compression.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compat.framed import Unseen, begin

from turnout.errors import ProtocolError
from turnout.messages import BinaryMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver, Event, Failed
from turnout.protocol.extensions import DeflateParameters
from turnout.testing.deflating import RSV1, TAIL
from turnout.testing.frames import BINARY, PING, TEXT, encode_frame
from turnout_compat.asgi_frames import GuardedInput
from turnout_compat.frame_guard import FrameGuard
from turnout_compat.inflating import plain_frame

LIMITS = WebSocketOptions(max_text_size=300, max_binary_size=200)
UNLIMITED = WebSocketOptions(max_text_size=None, max_binary_size=None)
DEFLATE = DeflateParameters(12, 12)


class Sender:
    """A client whose messages refer to those before, as compressed ones do."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=-12)

    def whole(self, opcode: int, payload: bytes) -> bytes:
        """Return a compressed message in one frame."""
        return encode_frame(opcode, self._deflated(payload), rsv=RSV1)

    def in_pieces(self, opcode: int, payload: bytes) -> bytes:
        """Return a compressed message in two frames with a ping between them."""
        data = self._deflated(payload)
        return (
            encode_frame(opcode, data[:3], fin=False, rsv=RSV1)
            + encode_frame(PING, b"between")
            + encode_frame(0, data[3:])
        )

    def _deflated(self, payload: bytes) -> bytes:
        data = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL)


def sent(messages: list[tuple[str, int, bytes]]) -> bytes:
    """Return what a client sends, in one of four ways each."""
    sender = Sender()
    ways: dict[str, Callable[[int, bytes], bytes]] = {
        "whole": sender.whole,
        "pieces": sender.in_pieces,
        "plain": encode_frame,
        "no deflate": lambda opcode, payload: encode_frame(opcode, payload or b"\x07", rsv=RSV1),
    }
    return b"".join(ways[way](opcode, payload) for way, opcode, payload in messages)


def events_of(driver: Driver, chunks: list[bytes]) -> list[Event]:
    """Return the events of the standard driver."""
    events = []
    for chunk in chunks:
        driver.receive_data(chunk)
        while (event := driver.next_event()) is not None:
            events.append(event)
    return events


def through_guard(chunks: list[bytes]) -> tuple[list[Event], int | None]:
    """Return the events of an engine that knows no compression, and the code of a violation."""
    guard, engine, events = FrameGuard(LIMITS, DEFLATE), Driver(UNLIMITED), []
    try:
        for chunk in chunks:
            guard.receive_data(chunk)
            while (piece := guard.next_piece()) is not None:
                events += events_of(engine, [piece[0]])
    except ProtocolError as error:
        return events, error.code
    return events, None


def failure_of(events: list[Event]) -> int | None:
    """Take the violation at the end off; return its code."""
    if events and isinstance(events[-1], Failed):
        failed = events.pop()
        assert isinstance(failed, Failed)
        return failed.status.code
    return None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


texts = st.text(max_size=60).map(str.encode)
legal = st.one_of(
    st.tuples(st.sampled_from(["whole", "pieces", "plain"]), st.just(TEXT), texts),
    st.tuples(
        st.sampled_from(["whole", "pieces", "plain"]), st.just(BINARY), st.binary(max_size=200)
    ),
)
other = st.tuples(
    st.sampled_from(["whole", "pieces", "plain", "no deflate"]),
    st.sampled_from([0, TEXT, BINARY, PING]),
    st.one_of(st.binary(max_size=400), st.integers(0, 100_000).map(bytes)),
)
places = st.lists(st.integers(0, 10_000), max_size=12)


@settings(deadline=None, max_examples=300)
@given(st.lists(legal, max_size=6), st.lists(other, max_size=3), places)
def test_engine_has_what_the_driver_has(
    good: list[tuple[str, int, bytes]], bad: list[tuple[str, int, bytes]], where: list[int]
) -> None:
    chunks = cut(sent([*good, *bad]), where)
    seen, code = through_guard(chunks)
    wanted = events_of(Driver(LIMITS, DEFLATE), chunks)
    failed = failure_of(seen)  # text in one frame is the engine's to check
    assert (failed or code) == failure_of(wanted)
    assert seen == wanted


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_cut_gives_the_same(size: int) -> None:
    sender = Sender()
    data = sender.whole(TEXT, b"again " * 20) + sender.in_pieces(BINARY, b"again " * 20)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    seen, code = through_guard(chunks)
    assert code is None
    assert seen == events_of(Driver(LIMITS, DEFLATE), [data])


def test_limits_are_those_of_what_is_inflated() -> None:
    assert through_guard([Sender().whole(BINARY, bytes(200))]) == (
        [BinaryMessage(bytes(200))],
        None,
    )
    assert through_guard([Sender().whole(BINARY, bytes(201))]) == ([], 1009)


def test_compressed_message_within_another_is_a_violation() -> None:
    begun = encode_frame(TEXT, b"begun", fin=False)
    assert through_guard([begun + Sender().whole(TEXT, b"another")])[1] == 1002


def test_reserved_bit_where_nothing_was_agreed_is_a_violation() -> None:
    guard = FrameGuard(LIMITS)
    guard.receive_data(Sender().whole(TEXT, b"compressed"))
    with pytest.raises(ProtocolError):
        guard.next_piece()


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_plain_frame_is_one_that_a_client_may_send(size: int) -> None:
    message = BinaryMessage(bytes(size))
    assert events_of(Driver(UNLIMITED), [plain_frame(message)]) == [message]


def paced_input(deflate: DeflateParameters | None) -> GuardedInput:
    """Return the input of a host whose queue knows no bound, and that answers pings itself."""
    made = GuardedInput(paced=True, keeps_pings=True)
    begin(made, Unseen(deflate))
    return made


def test_host_gets_one_inflated_message_at_a_time() -> None:
    sender, made = Sender(), paced_input(DEFLATE)
    first, second = (plain_frame(BinaryMessage(data)) for data in (b"first", b"second"))
    data = sender.whole(BINARY, b"first") + sender.whole(BINARY, b"second")
    assert list(made.receive(data[:-1])) == [first]
    assert made.waits
    assert list(made.receive(data[-1:])) == []
    assert list(made.more()) == [second]
    assert list(made.more()) == []
    assert not made.waits


def test_nothing_waits_behind_a_violation() -> None:
    made = paced_input(DEFLATE)
    data = Sender().whole(BINARY, b"first") + encode_frame(0x3)
    assert list(made.receive(data)) == [plain_frame(BinaryMessage(b"first"))]
    [failed] = made.more()
    assert isinstance(failed, dict)
    assert failed["type"] == "turnout.failed"
    assert not made.waits


def test_host_that_passes_no_messages_on_any_more_gets_all_at_once() -> None:
    sender, made = Sender(), paced_input(DEFLATE)
    list(made.receive(sender.whole(BINARY, b"first")))
    made.wait_no_more()
    assert list(made.more()) == []
    frame = encode_frame(BINARY, b"plain")
    assert list(made.receive(frame + frame)) == [frame, frame]


def test_late_ping_passes_between_the_frames_of_a_compressed_message() -> None:
    made = paced_input(DEFLATE)
    made.writing_paused = True
    data = Sender().in_pieces(BINARY, b"payload")
    assert list(made.receive(data[:-1])) == []
    assert made.resume() == {"type": "turnout.answer", "payload": b"between"}
    assert list(made.receive(data[-1:])) == [plain_frame(BinaryMessage(b"payload"))]


def test_nothing_waits_where_nothing_is_compressed() -> None:
    made, frame = paced_input(None), encode_frame(BINARY, b"plain")
    assert list(made.receive(frame + frame)) == [frame, frame]
    assert not made.waits
