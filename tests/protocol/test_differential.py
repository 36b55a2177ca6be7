"""The short cut changes nothing: with it and without it, however the bytes are cut.

A client's bytes are made of legal messages (whole, in fragments, compressed, with control frames
between the fragments), of frames at random, and of noise. Both drivers get the same bytes in
different chunks; what they deliver, answer and fail with must be the same.
"""

from __future__ import annotations

import zlib
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from tests.protocol.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TAIL,
    TEXT,
    RecordingTransport,
    WsprotoOnly,
    attach,
    cut,
    frame,
    places_between_frames,
)

from turnout.options import WebSocketOptions
from turnout.protocol.connection import StandardConnection
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import DeflateParameters
from turnout.testing.frames import encode_frame

TEXT_LIMIT, BINARY_LIMIT, TOTAL_LIMIT = 300, 200, 400
OPTIONS = WebSocketOptions(
    max_text_size=TEXT_LIMIT, max_binary_size=BINARY_LIMIT, max_total_size=TOTAL_LIMIT
)
DEFLATE = DeflateParameters(12, 12, memory_level=1)

keys = st.binary(min_size=4, max_size=4)
sizes = st.one_of(
    st.integers(0, 20),
    st.sampled_from([125, 126, BINARY_LIMIT, BINARY_LIMIT + 1, TEXT_LIMIT, TEXT_LIMIT + 1]),
)
texts = st.one_of(
    st.text(max_size=40).map(str.encode),
    sizes.map(lambda size: b"t" * size),
    st.binary(max_size=10),
)
payloads = st.one_of(texts, sizes.map(bytes))


@st.composite
def controls(draw: st.DrawFn) -> bytes:
    opcode = draw(st.sampled_from([PING, PONG]))
    return encode_frame(opcode, draw(st.binary(max_size=125)), key=draw(keys))


@st.composite
def messages(draw: st.DrawFn, deflate: bool) -> bytes:
    """A message as a client may send it, in as many frames as it likes."""
    opcode, payload = draw(st.tuples(st.sampled_from([TEXT, BINARY]), payloads))
    rsv = 0
    if deflate and draw(st.booleans()):
        compressor = zlib.compressobj(wbits=-12)
        payload = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        payload = payload.removesuffix(TAIL)
        rsv = 4
    parts = cut(payload, draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    parts += [b""] * draw(st.integers(0, 1))
    data = b""
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        data += encode_frame(opcode, part, fin=is_last, rsv=rsv, key=draw(keys))
        opcode, rsv = CONTINUATION, 0
        if not is_last:
            data += draw(st.just(b"") | controls())
    return data


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame that may be wrong in any way."""
    payload = draw(payloads)
    declared = draw(st.none() | st.sampled_from([0, 5, 126, 70_000, 1 << 40, 1 << 63]))
    return encode_frame(
        draw(st.one_of(st.sampled_from([TEXT, BINARY, CONTINUATION]), st.integers(0, 15))),
        payload,
        fin=draw(st.booleans()),
        rsv=draw(st.just(0) | st.integers(0, 7)),
        masked=draw(st.integers(0, 9)) > 0,
        key=draw(keys),
        declared_length=declared,
    )


@st.composite
def closes(draw: st.DrawFn) -> bytes:
    code = draw(st.sampled_from([999, 1000, 1005, 1014, 2000, 4001, 5000])).to_bytes(2, "big")
    reason = draw(st.text(max_size=5).map(str.encode) | st.binary(max_size=5))
    payload = draw(st.sampled_from([b"", b"\x03", code, code + reason]))
    return encode_frame(CLOSE, payload, key=draw(keys))


@st.composite
def streams(draw: st.DrawFn, deflate: bool) -> bytes:
    """Everything that a client sends."""
    usual = st.one_of(messages(deflate), messages(deflate), controls())
    data = b"".join(draw(st.lists(usual, max_size=6)))
    data += draw(st.one_of(st.just(b""), frames(), closes(), st.binary(max_size=20)))
    data += b"".join(draw(st.lists(usual, max_size=2)))
    return data[: draw(st.just(len(data)) | st.integers(0, len(data)))]


def outcome(
    made: type[Driver],
    deflate: DeflateParameters | None,
    chunks: list[bytes],
    pauses: list[int],
    *,
    partial: bool,
) -> tuple[list[Any], bytes, list[str]]:
    """Return what a session saw, what a client got, and how the transport ended."""
    transport = RecordingTransport()
    connection = StandardConnection(transport, OPTIONS, deflate, partial=partial)
    connection._driver.__class__ = made  # has nothing of its own but how it reads
    session = attach(connection, echo=True)
    connection.start()
    for index, chunk in enumerate(chunks):
        connection.data_received(chunk)
        if index in pauses:
            connection.pause_reading()
        elif index - 2 in pauses:
            connection.resume_reading()
    connection.resume_reading()
    ends = [call for call in transport.calls if not call.endswith("_reading")]
    return session.events, b"".join(transport.writes), ends


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, bool, bool]:
    deflate = draw(st.booleans())
    return draw(streams(deflate)), deflate, draw(st.booleans())


cuts = st.lists(st.integers(0, 2000), max_size=12)
pauses = st.lists(st.integers(0, 12), max_size=2)
HALF_A_CHARACTER = frame(TEXT, "é".encode()[:1], fin=False) + frame(CONTINUATION, b"x")


@settings(max_examples=600, deadline=None)
@given(cases(), cuts, cuts, pauses, pauses)
@example((HALF_A_CHARACTER, False, True), [], [7], [], [0])
@example((frame(TEXT, b"a", fin=False) + b"\x80\xfe\x00\x01", True, True), [1], [9], [], [])
def test_short_cut_changes_nothing(
    case: tuple[bytes, bool, bool],
    some_cuts: list[int],
    other_cuts: list[int],
    some_pauses: list[int],
    other_pauses: list[int],
) -> None:
    data, compresses, partial = case
    deflate = DEFLATE if compresses else None
    seen = outcome(Driver, deflate, cut(data, some_cuts), some_pauses, partial=partial)
    between = places_between_frames(data)
    for other_class, places in (
        (WsprotoOnly, other_cuts),
        (Driver, other_cuts),
        (Driver, between),
        (Driver, between[1::2]),
        (WsprotoOnly, []),
    ):
        chunks = cut(data, places)
        assert outcome(other_class, deflate, chunks, other_pauses, partial=partial) == seen
    event(f"ends with {type(seen[0][-1]).__name__ if seen[0] else 'nothing'}")
