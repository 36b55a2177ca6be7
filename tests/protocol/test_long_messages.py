"""Long messages leave in parts: the same bytes, and never a second copy of them whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.ends import Ends
from tests.protocol.wire import TEXT, frame

from turnout.errors import UsageError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol.connection import LONG_MESSAGE
from turnout.protocol.encoder import PART_SIZE, FrameEncoder
from turnout.protocol.extensions import DeflateParameters

LONG = PART_SIZE * 2 + 3
MESSAGES = st.one_of(
    st.builds(TextMessage, st.sampled_from(["x", "é", "x😀"]).map(lambda one: one * LONG)),
    st.builds(TextMessage, st.text()),
    st.builds(BinaryMessage, st.binary()),
    st.builds(BinaryMessage, st.integers(0, 3).map(lambda more: bytes(PART_SIZE + more))),
    st.builds(PingMessage, st.binary(max_size=125)),
    st.builds(PongMessage, st.binary(max_size=125)),
)


@given(message=MESSAGES)
def test_parts_are_the_frame(message: Message) -> None:
    whole = FrameEncoder(None).encode(message)
    parts = list(FrameEncoder(None).encode_long(message))
    assert b"".join(parts) == whole
    if isinstance(message, (TextMessage, BinaryMessage)):
        assert max(map(len, parts)) <= PART_SIZE


def test_what_is_compressed_or_a_piece_is_one_part() -> None:
    deflating = DeflateParameters(15, 15)
    message = TextMessage("x" * LONG)
    assert list(FrameEncoder(deflating).encode_long(message)) == [
        FrameEncoder(deflating).encode(message)
    ]
    piece = BinaryMessage(bytes(LONG), is_last=False)
    assert list(FrameEncoder(None).encode_long(piece)) == [FrameEncoder(None).encode(piece)]


def test_class_of_its_own_is_of_the_kind_that_it_derives_from() -> None:
    class Note(TextMessage):
        """A user's."""

    note = Note("x" * LONG)
    assert b"".join(FrameEncoder(None).encode_long(note)) == FrameEncoder(None).encode(note)


def test_nothing_is_written_of_what_cannot_be_encoded() -> None:
    ends = Ends()
    with pytest.raises(UnicodeEncodeError):
        ends.connection.send(TextMessage("\ud800" * LONG_MESSAGE))
    ends.connection.send(BinaryMessage(b"a", is_last=False))
    with pytest.raises(UsageError):
        ends.connection.send(BinaryMessage(bytes(LONG_MESSAGE)))
    assert ends.transport.writes == [b"\x02\x01a"]


@pytest.mark.parametrize("size", [LONG_MESSAGE - 1, LONG_MESSAGE, LONG_MESSAGE + 1])
def test_connection_writes_the_same_bytes(size: int) -> None:
    message = TextMessage("x" * size)
    ends = Ends()
    ends.connection.send(message)
    assert b"".join(ends.transport.writes) == FrameEncoder(None).encode(message)


def test_answer_in_the_middle_of_a_read_keeps_its_place() -> None:
    ends = Ends(echo=True)
    long = b"x" * LONG_MESSAGE
    ends.receive(frame(TEXT, b"a") + frame(TEXT, long) + frame(TEXT, b"b"))
    assert [payload for _, payload in ends.transport.frames] == [b"a", long, b"b"]
