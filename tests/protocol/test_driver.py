"""Bytes in, events out: messages, violations, limits, and when they are noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.protocol.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    WsprotoOnly,
    byte_by_byte,
    close_frame,
    cut,
    failure,
    feed,
    frame,
    places_between_frames,
    pull,
)

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError, MessageTooBigError, ProtocolError, UsageError
from turnout.messages import (
    BinaryMessage,
    DataMessage,
    Message,
    PingMessage,
    PongMessage,
    TextMessage,
)
from turnout.options import WebSocketOptions
from turnout.protocol.driver import CloseReceived, Driver
from turnout.protocol.frames import read_header
from turnout.protocol.limits import SizeLimits
from turnout.protocol.reassembler import Reassembler
from turnout.testing.frames import encode_frame

MakeDriver = Callable[..., Driver]


@pytest.fixture(params=[Driver, WsprotoOnly], ids=["short cut", "wsproto only"])
def make_driver(request: pytest.FixtureRequest) -> MakeDriver:
    driver_class: type[Driver] = request.param

    def make(**options: Any) -> Driver:
        return driver_class(WebSocketOptions.from_values(options))

    return make


MESSAGES: list[tuple[bytes, DataMessage]] = [
    (frame(TEXT, b"hello"), TextMessage("hello")),
    (frame(TEXT), TextMessage("")),
    (frame(TEXT, "é😀".encode()), TextMessage("é😀")),
    (frame(TEXT, b"x" * 125), TextMessage("x" * 125)),
    (frame(TEXT, b"x" * 126), TextMessage("x" * 126)),
    (frame(TEXT, b"x" * 65_536), TextMessage("x" * 65_536)),
    (frame(BINARY, bytes(range(256))), BinaryMessage(bytes(range(256)))),
    (frame(BINARY), BinaryMessage(b"")),
    (frame(BINARY, b"\xff" * 70_001), BinaryMessage(b"\xff" * 70_001)),
    (
        frame(TEXT, b"caf\xc3", fin=False) + frame(CONTINUATION, b"\xa9!"),
        TextMessage("café!"),
    ),
    (
        frame(BINARY, b"a", fin=False)
        + frame(CONTINUATION, b"", fin=False)
        + frame(CONTINUATION, b"b" * 200, fin=False)
        + frame(CONTINUATION),
        BinaryMessage(b"a" + b"b" * 200),
    ),
]


@pytest.mark.parametrize(("data", "message"), MESSAGES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 10**9])
def test_message_in_chunks_of_any_size(
    make_driver: MakeDriver, data: bytes, message: DataMessage, size: int
) -> None:
    if size < 7 and len(data) > 1000:
        data, message = frame(TEXT, b"y" * 1000), TextMessage("y" * 1000)
    data = data * 2 + frame(PING, b"!")
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert feed(make_driver(), *chunks) == [message, message, PingMessage(b"!")]


@pytest.mark.parametrize(("data", "message"), MESSAGES)
def test_message_with_a_tail(make_driver: MakeDriver, data: bytes, message: DataMessage) -> None:
    driver = make_driver()
    assert feed(driver, data + b"\x81") == [message]
    assert feed(driver, b"\x80abcd") == [TextMessage("")]


def test_control_frames_between_fragments(make_driver: MakeDriver) -> None:
    data = (
        frame(TEXT, b"he", fin=False)
        + frame(PING, b"1")
        + frame(CONTINUATION, b"ll", fin=False)
        + frame(PONG, b"2")
        + frame(CONTINUATION, b"o")
    )
    expected = [PingMessage(b"1"), PongMessage(b"2"), TextMessage("hello")]
    assert feed(make_driver(), data) == expected
    assert feed(make_driver(), *byte_by_byte(data)) == expected


def test_short_cut_is_taken_again_after_fragments(make_driver: MakeDriver) -> None:
    fragmented = frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b")
    whole = frame(BINARY, b"c")
    expected: list[Message] = [TextMessage("ab"), BinaryMessage(b"c")]
    assert feed(make_driver(), *[fragmented, whole] * 3) == expected * 3


def test_wsproto_is_built_only_for_what_needs_it() -> None:
    driver = Driver(WebSocketOptions())
    feed(driver, frame(TEXT, b"a"), frame(PING), frame(PONG), *byte_by_byte(frame(TEXT, b"b" * 9)))
    assert driver._reassembler is None
    feed(driver, frame(TEXT, b"a", fin=False))
    assert driver._reassembler is not None


def test_close_ends_everything(make_driver: MakeDriver) -> None:
    driver = make_driver()
    payload = (4001).to_bytes(2, "big") + b"bye"
    data = close_frame(payload) + frame(TEXT, b"late")
    assert feed(driver, data, frame(TEXT, b"later")) == [CloseReceived(CloseStatus(4001, "bye"))]
    assert feed(make_driver(), *byte_by_byte(data)) == [CloseReceived(CloseStatus(4001, "bye"))]


def test_close_between_fragments(make_driver: MakeDriver) -> None:
    events = feed(make_driver(), frame(TEXT, b"a", fin=False), close_frame())
    assert events == [CloseReceived(CloseStatus(1005))]


def test_close_code_1014_is_legal(make_driver: MakeDriver) -> None:
    """IANA registered it; wsproto 1.3.2 refuses it, so close frames do not go there."""
    events = feed(make_driver(), close_frame((1014).to_bytes(2, "big")))
    assert events == [CloseReceived(CloseStatus(1014))]


VIOLATIONS = {
    "unmasked": encode_frame(TEXT, b"hello", masked=False),
    "unmasked, empty": encode_frame(TEXT, masked=False),
    "unmasked ping": encode_frame(PING, masked=False),
    "unmasked close": encode_frame(CLOSE, masked=False),
    **{f"opcode {opcode:#x}": frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"reserved bits {rsv}": frame(TEXT, b"x", rsv=rsv) for rsv in range(1, 8)},
    **{f"reserved bits {rsv} on a ping": frame(PING, rsv=rsv) for rsv in (1, 2, 4)},
    "reserved bit on a close": frame(CLOSE, rsv=4),
    "fragmented ping": frame(PING, fin=False),
    "fragmented pong": frame(PONG, fin=False),
    "fragmented close": frame(CLOSE, fin=False),
    "ping over 125 bytes": frame(PING, bytes(126)),
    "pong over 125 bytes": frame(PONG, bytes(65_536)),
    "close over 125 bytes": close_frame(b"\x03\xe8" + bytes(124)),
    "close of one byte": close_frame(b"\x03"),
    "close 1005": close_frame(b"\x03\xed"),
    "close 999": close_frame(b"\x03\xe7"),
    "close 5000": close_frame(b"\x13\x88"),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "continuation of nothing, not the last": frame(CONTINUATION, fin=False),
    "message within a message": frame(TEXT, fin=False) + frame(TEXT, b"x"),
    "unfinished within a message": frame(TEXT, fin=False) + frame(BINARY, fin=False),
    "length 125 in two bytes": b"\x81\xfe\x00\x7d" + KEY,
    "length 125 in two bytes, all there": b"\x81\xfe\x00\x7d" + KEY + bytes(125),
    "length 0 in two bytes": b"\x82\xfe\x00\x00" + KEY,
    "length 65535 in eight bytes": b"\x81\xff" + (65_535).to_bytes(8, "big") + KEY,
    "length with the top bit": b"\x81\xff" + (1 << 63).to_bytes(8, "big") + KEY,
}


def frame_by_frame(data: bytes) -> list[bytes]:
    return cut(data, places_between_frames(data))


CUTS: dict[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda data: [data],
    "byte by byte": byte_by_byte,
    "frame by frame": frame_by_frame,
}
cuts = pytest.mark.parametrize("chunks_of", CUTS.values(), ids=CUTS)


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
@cuts
def test_violation(
    make_driver: MakeDriver, data: bytes, chunks_of: Callable[[bytes], list[bytes]]
) -> None:
    driver = make_driver()
    events = feed(
        driver, *chunks_of(frame(TEXT, b"before")), *chunks_of(data), frame(TEXT, b"after")
    )
    assert events[0] == TextMessage("before")
    assert len(events) == 2
    assert failure(events).status == CloseStatus(1002)
    assert feed(driver, frame(TEXT, b"later")) == []


@pytest.mark.parametrize(
    "data",
    [encode_frame(TEXT, b"hello", masked=False), frame(3), frame(PING, bytes(126))],
    ids=["unmasked", "opcode 3", "ping over 125 bytes"],
)
def test_violation_in_the_first_two_bytes_is_noticed_there(
    make_driver: MakeDriver, data: bytes
) -> None:
    driver = make_driver()
    assert feed(driver, data[:1]) == []
    assert failure(feed(driver, data[1:2])).status.code == 1002


NOT_UTF8 = [b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1"]


@pytest.mark.parametrize("payload", [*NOT_UTF8, b"caf\xc3"])
@cuts
def test_text_that_is_not_utf8(
    make_driver: MakeDriver, payload: bytes, chunks_of: Callable[[bytes], list[bytes]]
) -> None:
    for data in (
        frame(TEXT, payload),
        frame(TEXT, payload, fin=False) + frame(CONTINUATION),
        frame(TEXT, b"x", fin=False) + frame(CONTINUATION, payload),
    ):
        events = feed(make_driver(), *chunks_of(data))
        assert failure(events).status == CloseStatus(1007)
        assert isinstance(failure(events).error, InvalidPayloadError)
        assert len(events) == 1


@pytest.mark.parametrize("payload", NOT_UTF8)
def test_bad_byte_is_noticed_when_it_arrives(make_driver: MakeDriver, payload: bytes) -> None:
    """Not at the end of the frame, and not at the end of the message."""
    for opening in (
        frame(TEXT, b"x" * 50 + payload + b"y" * 1000),
        frame(TEXT, b"x" * 50 + payload + b"y" * 1000, fin=False),
    ):
        cut = len(opening) - 1000
        driver = make_driver()
        assert feed(driver, opening[: cut - len(payload)]) == []
        assert failure(feed(driver, opening[cut - len(payload) : cut])).status.code == 1007


def test_character_cut_by_a_fragment_waits_for_its_rest(make_driver: MakeDriver) -> None:
    smile = "😀".encode()
    chunks = [frame(TEXT, smile[:1], fin=False), frame(CONTINUATION, smile[1:3], fin=False)]
    driver = make_driver()
    assert feed(driver, *chunks) == []
    assert feed(driver, frame(CONTINUATION, smile[3:])) == [TextMessage("😀")]


def test_bad_reason_of_a_close(make_driver: MakeDriver) -> None:
    events = feed(make_driver(), close_frame(b"\x03\xe8\xff"))
    assert failure(events).status == CloseStatus(1007)


# Limits


@pytest.mark.parametrize("limit", [1, 5, 125, 126, 1000, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_limits_are_inclusive(make_driver: MakeDriver, limit: int, opcode: int) -> None:
    mine, other = (
        ("max_text_size", "max_binary_size")
        if opcode == TEXT
        else ("max_binary_size", "max_text_size")
    )
    driver = make_driver(**{mine: limit, other: 1 << 20})
    [message] = feed(driver, frame(opcode, b"x" * limit))
    assert isinstance(message, Message)
    assert len(message.payload) == limit
    error = failure(feed(driver, frame(opcode, b"x" * (limit + 1)))).error
    assert type(error) is MessageTooBigError


@pytest.mark.parametrize("length", [11, 126, 65_536, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_declared_length_over_the_limit_fails_before_its_payload(
    make_driver: MakeDriver, length: int, opcode: int, fin: bool
) -> None:
    header = encode_frame(opcode, fin=fin, key=KEY, declared_length=length)
    driver = make_driver(max_text_size=10, max_binary_size=10)
    assert feed(driver, header[:-1]) == []
    assert failure(feed(driver, header[-1:])).status == CloseStatus(1009)


def test_fragments_count_together(make_driver: MakeDriver) -> None:
    driver = make_driver(max_text_size=10)
    nine = [frame(TEXT, b"x" * 4, fin=False), frame(CONTINUATION, b"x" * 5, fin=False)]
    assert feed(driver, *nine, frame(CONTINUATION, b"x")) == [TextMessage("x" * 10)]
    assert feed(driver, *nine) == []
    two_more = encode_frame(CONTINUATION, fin=False, key=KEY, declared_length=2)
    assert failure(feed(driver, two_more)).status.code == 1009


def test_text_is_counted_in_bytes(make_driver: MakeDriver) -> None:
    driver = make_driver(max_text_size=4)
    assert feed(driver, frame(TEXT, "éé".encode())) == [TextMessage("éé")]
    assert failure(feed(driver, frame(TEXT, "ééé".encode()))).status.code == 1009


def test_none_is_unlimited(make_driver: MakeDriver) -> None:
    size = (1 << 20) + 1
    driver = make_driver(max_text_size=None, max_binary_size=None)
    assert feed(driver, frame(TEXT, b"x" * size)) == [TextMessage("x" * size)]
    data = frame(BINARY, bytes(size), fin=False) + frame(CONTINUATION, bytes(size))
    assert feed(driver, data) == [BinaryMessage(bytes(2 * size))]


def test_the_limit_is_1_mib_by_default(make_driver: MakeDriver) -> None:
    driver = make_driver()
    [message] = feed(driver, frame(BINARY, bytes(1 << 20)))
    assert message == BinaryMessage(bytes(1 << 20))
    header = encode_frame(BINARY, key=KEY, declared_length=(1 << 20) + 1)
    assert failure(feed(driver, header)).status.code == 1009


# Pulling


def test_events_are_pulled_one_at_a_time(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.receive_data(frame(TEXT, b"1") + frame(PING) + frame(BINARY, b"2")[:-1])
    assert driver.next_event() == TextMessage("1")
    driver.receive_data(frame(BINARY, b"2")[-1:] + frame(TEXT, b"3"))
    assert driver.next_event() == PingMessage()
    driver.receive_data(frame(TEXT, b"4"))
    assert pull(driver) == [BinaryMessage(b"2"), TextMessage("3"), TextMessage("4")]
    assert driver.next_event() is None


def test_bytes_stay_in_order_however_late_they_are_pulled(make_driver: MakeDriver) -> None:
    driver = make_driver()
    for text in (b"1", b"2", b"3"):
        driver.receive_data(frame(TEXT, text))
    assert driver.next_event() == TextMessage("1")
    driver.receive_data(frame(TEXT, b"4"))
    assert driver.next_event() == TextMessage("2")
    driver.receive_data(frame(TEXT, b"5"))
    assert pull(driver) == [TextMessage("3"), TextMessage("4"), TextMessage("5")]


def test_payload_that_looks_like_a_frame(make_driver: MakeDriver) -> None:
    payload = b"0123456789" + frame(BINARY, b"no frame") + b"!"
    data = encode_frame(BINARY, payload, key=bytes(4))
    assert feed(make_driver(), data[:16], data[16:]) == [BinaryMessage(payload)]


def test_stored_bytes_after_a_violation_are_dropped(make_driver: MakeDriver) -> None:
    driver = make_driver()
    for data in (frame(3), frame(TEXT, b"late")):
        driver.receive_data(data)
    assert failure(pull(driver)).status.code == 1002
    assert driver.next_event() is None


def test_an_idle_driver_keeps_no_bytes(make_driver: MakeDriver) -> None:
    driver = make_driver()
    feed(driver, frame(BINARY, bytes(100_000)))
    assert driver._chunk == b""
    assert not driver._chunks


def test_end_of_input_in_the_middle_of_a_frame(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.receive_data(frame(TEXT, b"whole") + frame(TEXT, b"not whole")[:-1])
    driver.receive_eof()
    assert pull(driver) == [TextMessage("whole")]
    assert feed(driver, b"e") == []


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_many_small_chunks_of_a_large_message_cost_linear_time(
    make_driver: MakeDriver, opcode: int
) -> None:
    """Sixteen times the chunks may take sixteen times as long, not 256 times."""

    def seconds(size: int) -> float:
        driver = make_driver(max_text_size=None, max_binary_size=None)
        chunks = byte_by_byte(frame(opcode, b"x" * size))
        began = time.perf_counter()
        assert len(feed(driver, *chunks)) == 1
        return time.perf_counter() - began

    small = min(seconds(4_000) for _ in range(3))
    assert seconds(64_000) < 16 * 6 * small


# What is sent


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (TextMessage("é"), b"\x81\x02\xc3\xa9"),
        (TextMessage(""), b"\x81\x00"),
        (TextMessage("x" * 125), b"\x81\x7d" + b"x" * 125),
        (TextMessage("x" * 126), b"\x81\x7e\x00\x7e" + b"x" * 126),
        (BinaryMessage(b"\x00"), b"\x82\x01\x00"),
        (BinaryMessage(bytes(126)), b"\x82\x7e\x00\x7e" + bytes(126)),
        (BinaryMessage(bytes(70_000)), b"\x82\x7f" + (70_000).to_bytes(8, "big") + bytes(70_000)),
        (PingMessage(b"p"), b"\x89\x01p"),
        (PongMessage(), b"\x8a\x00"),
    ],
)
def test_encoded_message(message: Message, data: bytes) -> None:
    assert Driver(WebSocketOptions()).encode(message) == data


def test_encoded_fragments() -> None:
    driver = Driver(WebSocketOptions())
    assert driver.encode(TextMessage("a", is_last=False)) == b"\x01\x01a"
    assert driver.encode(PingMessage()) == b"\x89\x00"
    assert driver.encode(TextMessage("b", is_first=False, is_last=False)) == b"\x00\x01b"
    assert driver.encode(TextMessage("c", is_first=False)) == b"\x80\x01c"
    assert driver.encode(BinaryMessage(b"d", is_last=False)) == b"\x02\x01d"
    assert driver.encode(BinaryMessage(b"", is_first=False)) == b"\x80\x00"
    assert driver.encode(TextMessage("e")) == b"\x81\x01e"


@pytest.mark.parametrize(
    "message",
    [
        TextMessage("whole"),
        BinaryMessage(b"whole"),
        TextMessage("first", is_last=False),
        BinaryMessage(b"of another kind", is_first=False),
    ],
)
def test_fragments_out_of_order(message: Message) -> None:
    driver = Driver(WebSocketOptions())
    driver.encode(TextMessage("begun", is_last=False))
    with pytest.raises(UsageError):
        driver.encode(message)
    assert driver.encode(TextMessage("!", is_first=False)) == b"\x80\x01!"


def test_fragment_of_nothing() -> None:
    with pytest.raises(UsageError, match="continues no text message"):
        Driver(WebSocketOptions()).encode(TextMessage("x", is_first=False))


def test_text_that_cannot_be_encoded_changes_nothing() -> None:
    driver = Driver(WebSocketOptions())
    for message in (TextMessage("\ud800"), TextMessage("\ud800", is_last=False)):
        with pytest.raises(UnicodeEncodeError):
            driver.encode(message)
    assert driver.encode(TextMessage("x")) == b"\x81\x01x"


def test_only_messages_are_encoded() -> None:
    with pytest.raises(TypeError, match="not a text or binary message"):
        Driver(WebSocketOptions()).encode(Message.restore(b"", is_first=True, is_last=True))


def test_messages_of_a_subclass_are_encoded() -> None:
    class Shouted(TextMessage):
        __slots__ = ()

    assert Driver(WebSocketOptions()).encode(Shouted("A")) == b"\x81\x01A"


def test_wsproto_is_a_second_line() -> None:
    """What the driver lets pass by mistake, wsproto still refuses."""
    reassembler = Reassembler(SizeLimits(WebSocketOptions(), partial=False), None, partial=False)
    reassembler.begin(read_header(frame(3, b"x"), 0))
    with pytest.raises(ProtocolError, match="wsproto refuses") as raised:
        reassembler.feed(frame(3, b"x")[6:], is_last=True)
    assert raised.value.code == 1002
