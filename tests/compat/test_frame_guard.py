"""The guard in front of an engine's reader: what it hands on, and what it raises on.

The standard driver is what it is compared with: same bytes, cut anywhere, same violation.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver, Failed
from turnout.testing.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    close_payload,
    encode_frame,
    mask,
)
from turnout_compat.frame_guard import FrameGuard

LIMITS = WebSocketOptions(max_text_size=200, max_binary_size=150)


class Seen(NamedTuple):
    """What came out: the bytes, what they completed, and how it ended."""

    passed: bytes
    completed: int
    code: int | None
    pending: bytes = b""


def guard_on(chunks: list[bytes]) -> Seen:
    """Run the guard before the least that an engine does: decode whole text, end at a close."""
    guard, passed, completed, pending, left = FrameGuard(LIMITS), b"", 0, b"", 0
    try:
        for chunk in chunks:
            guard.receive_data(chunk)
            while (piece := guard.next_piece()) is not None:
                data, completes = piece
                passed += data
                completed += completes
                if not left and data[0] & 0x08:
                    if data[0] == 0x80 | CLOSE:
                        return Seen(passed, completed, None)
                    continue
                left = (left or frame_size(data)) - len(data)
                pending += data
                if completes:
                    decode_whole_text(pending)
                    pending = b""
    except InvalidPayloadError as error:
        whole = bool(pending) and pending[0] == 0x80 | TEXT
        return Seen(passed, completed - whole, error.code, pending)
    except ProtocolError as error:
        return Seen(passed, completed, error.code, pending)
    return Seen(passed, completed, None, pending)


def frame_size(data: bytes) -> int:
    length = data[1] & 0x7F
    return 8 + int.from_bytes(data[2:4], "big") if length == 126 else 6 + length


def decode_whole_text(frame: bytes) -> None:
    if frame[0] == 0x80 | TEXT:
        begin = 8 if frame[1] & 0x7F == 126 else 6
        try:
            mask(frame[begin:], frame[begin - 4 : begin]).decode()
        except UnicodeDecodeError as error:
            raise InvalidPayloadError from error


def driver_on(chunks: list[bytes]) -> tuple[int, int | None]:
    """Return how many events the standard driver has, and the code of a violation."""
    driver, events = Driver(LIMITS), 0
    for chunk in chunks:
        driver.receive_data(chunk)
        while (event := driver.next_event()) is not None:
            if isinstance(event, Failed):
                return events, event.status.code
            events += 1
    return events, None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


payloads = st.one_of(
    st.binary(max_size=220), st.text(max_size=40).map(str.encode), st.just(b"\xe2\x82")
)
frames = st.builds(
    encode_frame,
    st.sampled_from([0, TEXT, TEXT, BINARY, BINARY, PING, PONG, CLOSE, 0x3, 0xB]),
    payloads,
    fin=st.booleans(),
    masked=st.sampled_from([True, True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4]),
)
closes = st.builds(
    encode_frame,
    st.just(CLOSE),
    st.builds(close_payload, st.integers(0, 5500), st.binary(max_size=10)),
)
legal = st.one_of(
    st.text(max_size=60).map(lambda text: encode_frame(TEXT, text.encode())),
    st.binary(max_size=150).map(lambda data: encode_frame(BINARY, data)),
    st.binary(max_size=125).map(lambda data: encode_frame(PING, data)),
    st.text(max_size=40).map(
        lambda text: (
            encode_frame(TEXT, text.encode()[:5], fin=False)
            + encode_frame(PONG, b"between")
            + encode_frame(0, text.encode()[5:])
        )
    ),
)
places = st.lists(st.integers(0, 10_000), max_size=12)


@settings(deadline=None, max_examples=400)
@given(st.lists(legal, max_size=6), st.lists(st.one_of(frames, closes), max_size=3), places)
def test_guard_finds_what_the_driver_finds(
    good: list[bytes], other: list[bytes], where: list[int]
) -> None:
    data = b"".join([*good, *other])
    chunks = cut(data, where)
    seen = guard_on(chunks)
    events, code = driver_on(chunks)
    assert data.startswith(seen.passed)
    assert seen.completed == events
    if seen.code != code:  # the driver does not wait for the end of a bad text in one frame
        assert (seen.code, code) == (None, 1007)
        assert seen.pending[0] == 0x80 | TEXT


@settings(deadline=None, max_examples=200)
@given(st.lists(legal, min_size=1, max_size=6), places)
def test_legal_frames_pass_unchanged(good: list[bytes], where: list[int]) -> None:
    data = b"".join(good)
    seen = guard_on(cut(data, where))
    assert seen == Seen(data, driver_on([data])[0], None)


def test_nothing_behind_a_violation_passes() -> None:
    good = encode_frame(TEXT, b"good")
    seen = guard_on([good + encode_frame(TEXT, b"bad", masked=False) + good])
    assert seen == Seen(good, 1, 1002)


@pytest.mark.parametrize(("opcode", "limit"), [(TEXT, 200), (BINARY, 150)])
def test_limits_are_inclusive_and_apart(opcode: int, limit: int) -> None:
    assert guard_on([encode_frame(opcode, b"x" * limit)]).code is None
    header_only = encode_frame(opcode, b"", declared_length=limit + 1)
    assert guard_on([header_only]) == Seen(b"", 0, 1009)


def test_control_frames_are_held_back_until_they_are_whole() -> None:
    frame = encode_frame(PING, b"payload")
    guard = FrameGuard(LIMITS)
    guard.receive_data(frame[:-1])
    assert guard.next_piece() is None
    guard.receive_data(frame[-1:])
    assert guard.next_piece() == (frame, True)


@pytest.mark.parametrize("fin", [True, False])
def test_text_is_checked_as_it_comes_where_the_engine_is_not_to(fin: bool) -> None:
    before = encode_frame(TEXT, b"before")
    frame = encode_frame(TEXT, b"good \xff and more", fin=fin)
    guard = FrameGuard(LIMITS, checks_text=True)
    guard.receive_data(before + frame[:10])
    assert guard.next_piece() == (before, True)
    assert guard.next_piece() == (frame[:10], False)
    guard.receive_data(frame[10:12])
    with pytest.raises(InvalidPayloadError):
        guard.next_piece()


def test_what_is_no_text_is_not_checked() -> None:
    frame = encode_frame(BINARY, b"\xff")
    guard = FrameGuard(LIMITS, checks_text=True)
    guard.receive_data(frame)
    assert guard.next_piece() == (frame, True)
