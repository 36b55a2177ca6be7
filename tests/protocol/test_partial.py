"""Pieces of a message as they come, for handlers that ask for them."""

from __future__ import annotations

import pytest
from tests.protocol.wire import (
    BINARY,
    CONTINUATION,
    KEY,
    PING,
    TEXT,
    WsprotoOnly,
    byte_by_byte,
    compressed,
    failure,
    feed,
    frame,
)

from turnout.messages import BinaryMessage, PingMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import DeflateParameters
from turnout.testing.frames import encode_frame

OPTIONS = WebSocketOptions(max_text_size=10, max_binary_size=10, max_total_size=25)


@pytest.fixture(params=[Driver, WsprotoOnly], ids=["short cut", "wsproto only"])
def driver(request: pytest.FixtureRequest) -> Driver:
    driver_class: type[Driver] = request.param
    return driver_class(OPTIONS, DeflateParameters(), True)


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_each_frame_is_a_piece(driver: Driver, bytewise: bool) -> None:
    data = (
        frame(TEXT, b"he", fin=False)
        + frame(PING)
        + frame(CONTINUATION, b"ll", fin=False)
        + frame(CONTINUATION, b"o")
        + frame(BINARY, b"whole")
    )
    assert feed(driver, *(byte_by_byte(data) if bytewise else [data])) == [
        TextMessage("he", is_last=False),
        PingMessage(),
        TextMessage("ll", is_first=False, is_last=False),
        TextMessage("o", is_first=False),
        BinaryMessage(b"whole"),
    ]


def test_a_piece_is_delivered_before_the_next_comes(driver: Driver) -> None:
    assert feed(driver, frame(BINARY, b"1", fin=False)) == [BinaryMessage(b"1", is_last=False)]
    assert feed(driver, frame(CONTINUATION, b"2")) == [BinaryMessage(b"2", is_first=False)]


def test_pieces_of_text_hold_whole_characters(driver: Driver) -> None:
    smile = "😀".encode()
    events = feed(
        driver,
        frame(TEXT, b"a" + smile[:2], fin=False),
        frame(CONTINUATION, smile[2:] + b"b", fin=False),
        frame(CONTINUATION),
    )
    assert events == [
        TextMessage("a", is_last=False),
        TextMessage("😀b", is_first=False, is_last=False),
        TextMessage("", is_first=False),
    ]


def test_empty_pieces_in_the_middle_are_left_out(driver: Driver) -> None:
    empty = frame(CONTINUATION, fin=False)
    events = feed(driver, frame(TEXT, fin=False), *[empty] * 1000, frame(CONTINUATION))
    assert events == [TextMessage("", is_last=False), TextMessage("", is_first=False)]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_limit_of_a_piece_is_inclusive(driver: Driver, opcode: int) -> None:
    assert len(feed(driver, frame(opcode, b"x" * 10, fin=False))) == 1
    header = encode_frame(CONTINUATION, key=KEY, declared_length=11)
    assert failure(feed(driver, header)).status.code == 1009


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_limit_of_the_whole_is_inclusive(driver: Driver, opcode: int) -> None:
    three = [
        frame(opcode, b"x" * 10, fin=False),
        frame(CONTINUATION, b"x" * 10, fin=False),
        frame(CONTINUATION, b"x" * 5, fin=False),
    ]
    assert len(feed(driver, *three, frame(CONTINUATION))) == 4
    assert len(feed(driver, *three)) == 3
    header = encode_frame(CONTINUATION, fin=False, key=KEY, declared_length=1)
    assert failure(feed(driver, header)).status.code == 1009


def test_a_whole_message_has_the_limit_of_the_whole() -> None:
    options = WebSocketOptions(max_text_size=10, max_total_size=5)
    assert feed(Driver(options, None, True), frame(TEXT, b"x" * 5)) == [TextMessage("x" * 5)]
    assert failure(feed(Driver(options, None, True), frame(TEXT, b"x" * 6))).status.code == 1009


def test_without_a_limit_of_the_whole() -> None:
    driver = Driver(WebSocketOptions(max_text_size=10, max_total_size=None), None, True)
    events = feed(
        driver,
        frame(TEXT, b"x" * 10, fin=False),
        *[frame(CONTINUATION, b"x" * 10, fin=False)] * 100,
        frame(CONTINUATION),
    )
    assert len(events) == 102


def test_the_default_limit_of_the_whole_is_16_mib() -> None:
    driver = Driver(WebSocketOptions(), None, True)
    mebibyte = bytes(1 << 20)
    fifteen = [frame(CONTINUATION, mebibyte, fin=False)] * 15
    assert len(feed(driver, frame(BINARY, mebibyte, fin=False), *fifteen)) == 16
    assert failure(feed(driver, frame(CONTINUATION, b"x"))).status.code == 1009


def test_compressed_pieces_count_as_what_they_inflate_to(driver: Driver) -> None:
    data = compressed(b"x" * 20)
    events = feed(driver, frame(BINARY, data, rsv=4))
    assert failure(events).status.code == 1009


def test_compressed_pieces_are_delivered_as_far_as_they_inflate(driver: Driver) -> None:
    parts = Driver(OPTIONS, DeflateParameters(), True)
    sent = [
        parts.encode(TextMessage("hello ", is_last=False)),
        parts.encode(TextMessage("hello", is_first=False, is_last=False)),
        parts.encode(TextMessage("", is_first=False)),
    ]
    data = [frame(each[0] & 15, each[2:], fin=each[0] > 127, rsv=each[0] >> 4 & 7) for each in sent]
    assert feed(driver, *data) == [
        TextMessage("hello ", is_last=False),
        TextMessage("hello", is_first=False, is_last=False),
        TextMessage("", is_first=False),
    ]


def test_compressed_pieces_have_a_limit_of_the_whole(driver: Driver) -> None:
    sender = Driver(OPTIONS, DeflateParameters(), True)
    events = []
    for index in range(4):
        piece = sender.encode(BinaryMessage(b"x" * 8, is_first=not index, is_last=False))
        events += feed(driver, frame(piece[0] & 15, piece[2:], fin=False, rsv=piece[0] >> 4))
    assert len(events) == 4
    assert failure(events).status.code == 1009
