"""permessage-deflate against zlib as the peer."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.wire import (
    BINARY,
    CONTINUATION,
    KEY,
    PING,
    TAIL,
    TEXT,
    byte_by_byte,
    compressed,
    cut,
    failure,
    feed,
    frame,
    sent_frames,
)

from turnout.errors import InvalidPayloadError, MessageTooBigError
from turnout.messages import BinaryMessage, DataMessage, Message, PingMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.deflate import MAX_STREAMS_IN_A_MESSAGE, Inflater, largest_deflated
from turnout.protocol.driver import Driver, Event
from turnout.protocol.extensions import DeflateParameters
from turnout.testing.frames import encode_frame

RSV1 = 4
PARAMETERS = DeflateParameters(12, 12, memory_level=5)
OPTIONS = WebSocketOptions()


def make_driver(parameters: DeflateParameters = PARAMETERS, **options: Any) -> Driver:
    return Driver(WebSocketOptions.from_values(options), parameters)


class Client:
    """A peer of plain zlib: what RFC 7692 section 7.2 says, with context takeover or without."""

    def __init__(self, wbits: int = 12, *, context: bool = True) -> None:
        self.wbits = wbits
        self.context = context
        self.compressor = zlib.compressobj(wbits=-wbits)
        self.inflater = zlib.decompressobj(wbits=-wbits)

    def compress(self, payload: bytes) -> bytes:
        if not self.context:
            self.compressor = zlib.compressobj(wbits=-self.wbits)
        data = self.compressor.compress(payload) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL) or b"\x00"

    def message(self, opcode: int, payload: bytes) -> bytes:
        return frame(opcode, self.compress(payload), rsv=RSV1)

    def read(self, data: bytes) -> list[bytes]:
        """Return the messages in a server's bytes, inflated."""
        messages, current, is_compressed = [], b"", False
        for first, payload in sent_frames(data):
            if first & 0x0F:
                current, is_compressed = b"", bool(first & 0x40)
            current += payload
            if first & 0x80:
                messages.append(self._inflate(current) if is_compressed else current)
        return messages

    def _inflate(self, data: bytes) -> bytes:
        if not self.context:
            self.inflater = zlib.decompressobj(wbits=-self.wbits)
        return self.inflater.decompress(data + TAIL)


NOISE = random.Random(1).randbytes(5000)  # what does not compress
PAYLOADS = [b"hello" * 20, b"", b"hello" * 20, NOISE, b"x", bytes(100_000), b"", b"hello" * 20]


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("wbits", [9, 12, 15])
def test_received_messages(wbits: int, context: bool) -> None:
    driver = make_driver(DeflateParameters(wbits, wbits, client_no_context_takeover=not context))
    client = Client(wbits, context=context)
    data = [client.message(BINARY, payload) for payload in PAYLOADS]
    expected: list[Event] = [BinaryMessage(payload) for payload in PAYLOADS]
    assert feed(driver, *data) == expected


def test_received_bytes_one_by_one() -> None:
    client = Client()
    data = b"".join(client.message(TEXT, payload) for payload in (b"hello" * 20, b"", b"hello"))
    expected = [TextMessage("hello" * 20), TextMessage(""), TextMessage("hello")]
    assert feed(make_driver(), *byte_by_byte(data)) == expected


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("wbits", [9, 12, 15])
@pytest.mark.parametrize("memory_level", [1, 9])
def test_sent_messages(wbits: int, context: bool, memory_level: int) -> None:
    parameters = DeflateParameters(wbits, wbits, not context, memory_level=memory_level)
    driver = make_driver(parameters)
    client = Client(wbits, context=context)
    data = b"".join(driver.encode(BinaryMessage(payload)) for payload in PAYLOADS)
    assert client.read(data) == PAYLOADS
    assert all(first & 0x40 for first, _ in sent_frames(data))


def test_context_takeover_makes_the_second_message_smaller() -> None:
    with_context = make_driver()
    without = make_driver(replace(PARAMETERS, server_no_context_takeover=True))
    message = BinaryMessage(NOISE[:1000])
    assert len(with_context.encode(message)) == len(without.encode(message))
    assert len(with_context.encode(message)) < 100
    assert len(without.encode(message)) > 1000


@pytest.mark.parametrize("memory_level", [1, 5, 9])
def test_the_agreed_window_and_memory_are_used(memory_level: int) -> None:
    payload = " ".join(f"{number:b}" for number in range(20_000)).encode()
    compressor = zlib.compressobj(wbits=-10, memLevel=memory_level)
    expected = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    driver = make_driver(DeflateParameters(10, 12, memory_level=memory_level))
    [(first, sent)] = sent_frames(driver.encode(BinaryMessage(payload)))
    assert first == 0xC2
    assert sent + TAIL == expected


def test_client_without_context_takeover_leaves_no_window_behind() -> None:
    driver = make_driver(replace(PARAMETERS, client_no_context_takeover=True))
    feed(driver, Client(context=False).message(TEXT, b"hello"))
    assert driver._reassembler is not None
    assert driver._reassembler._inflater is not None
    assert driver._reassembler._inflater._stream is None


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3))),
    st.booleans(),
)
@settings(deadline=None)
def test_sent_fragments(messages: list[tuple[bytes, list[int]]], context: bool) -> None:
    driver = make_driver(replace(PARAMETERS, server_no_context_takeover=not context))
    data = b""
    for payload, places in messages:
        parts = [*cut(payload, places), b""]
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            data += driver.encode(BinaryMessage(part, is_first=not index, is_last=is_last))
    assert Client(context=context).read(data) == [payload for payload, _ in messages]


def test_sent_fragments_can_be_inflated_as_they_come() -> None:
    driver = make_driver()
    inflater = zlib.decompressobj(wbits=-12)
    for index, text in enumerate(("one", "two", "three")):
        data = driver.encode(TextMessage(text, is_first=not index, is_last=False))
        assert data[0] == (0x41 if index == 0 else 0x00)
        assert inflater.decompress(data[2:]) == text.encode()


def test_messages_below_the_threshold_are_not_compressed() -> None:
    driver = make_driver(replace(PARAMETERS, threshold=64))
    assert driver.encode(TextMessage("x" * 63)) == b"\x81\x3f" + b"x" * 63
    assert driver.encode(TextMessage("x" * 64))[0] == 0xC1
    assert driver.encode(TextMessage("é" * 32))[0] == 0xC1
    assert driver.encode(BinaryMessage(b"x" * 63))[0] == 0x82


def test_a_message_in_fragments_is_compressed_whatever_its_first_is_like() -> None:
    driver = make_driver(replace(PARAMETERS, threshold=64))
    pieces = [TextMessage("x", is_last=False), TextMessage("y", is_first=False)]
    data = b"".join(driver.encode(piece) for piece in pieces)
    assert [first for first, _ in sent_frames(data)] == [0x41, 0x80]
    assert Client().read(data) == [b"xy"]


def test_control_frames_are_never_compressed() -> None:
    assert make_driver().encode(PingMessage(b"p" * 100)) == b"\x89\x64" + b"p" * 100


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_ping_between_compressed_fragments(bytewise: bool) -> None:
    data = compressed(b"fragmented " * 20)
    stream = (
        frame(TEXT, data[:5], fin=False, rsv=RSV1)
        + frame(PING, b"\x01\x02\x03")
        + frame(CONTINUATION, data[5:])
        + frame(TEXT, b"plain")
        + frame(TEXT, compressed(b"again"), rsv=RSV1)
    )
    assert feed(make_driver(), *(byte_by_byte(stream) if bytewise else [stream])) == [
        PingMessage(b"\x01\x02\x03"),
        TextMessage("fragmented " * 20),
        TextMessage("plain"),
        TextMessage("again"),
    ]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=200), st.booleans()), min_size=1, max_size=5),
    st.lists(st.integers(0, 2000), max_size=10),
    st.booleans(),
)
def test_compressed_and_plain_messages_mixed(
    messages: list[tuple[bytes, bool]], places: list[int], context: bool
) -> None:
    client = Client(context=context)
    driver = make_driver(replace(PARAMETERS, client_no_context_takeover=not context))
    data = b"".join(
        client.message(BINARY, payload) if compress else frame(BINARY, payload)
        for payload, compress in messages
    )
    expected: list[Event] = [BinaryMessage(payload) for payload, _ in messages]
    assert feed(driver, *cut(data, places)) == expected


def test_a_server_offers_nothing() -> None:
    assert not Inflater(PARAMETERS).offer()


# What is wrong


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff", b"\x07", compressed(NOISE)[:-200], b"\x01\x0e\x00\xf1\xffshort"],
    ids=["reserved block", "reserved block of one byte", "cut short", "stored block cut short"],
)
def test_data_that_does_not_inflate(data: bytes) -> None:
    error = failure(feed(make_driver(), frame(BINARY, data, rsv=RSV1))).error
    assert type(error) is InvalidPayloadError


def test_reference_to_a_message_that_the_agreed_window_no_longer_holds() -> None:
    client = Client(15)
    data = [client.message(BINARY, NOISE), client.message(BINARY, NOISE)]
    events = feed(make_driver(DeflateParameters(9, 9)), *data)
    assert events[0] == BinaryMessage(NOISE)
    assert type(failure(events).error) is InvalidPayloadError


def test_client_window_of_8_bits_is_read_though_zlib_has_none() -> None:
    driver = make_driver(DeflateParameters(9, 8))
    assert feed(driver, Client(9).message(BINARY, NOISE)) == [BinaryMessage(NOISE)]


def test_compressed_text_is_checked() -> None:
    events = feed(make_driver(), frame(TEXT, compressed(b"caf\xc3"), rsv=RSV1))
    assert failure(events).status.code == 1007


def test_rsv1_is_reserved_where_nothing_was_agreed() -> None:
    events = feed(Driver(OPTIONS), frame(TEXT, compressed(b"x"), rsv=RSV1))
    assert failure(events).status.code == 1002


@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
def test_other_reserved_bits_stay_reserved(rsv: int) -> None:
    events = feed(make_driver(), frame(TEXT, compressed(b"x"), rsv=rsv))
    assert failure(events).status.code == 1002


def test_rsv1_on_a_continuation() -> None:
    begun = frame(TEXT, compressed(b"begun")[:2], fin=False, rsv=RSV1)
    events = feed(make_driver(), begun, frame(CONTINUATION, b"", rsv=RSV1))
    assert failure(events).status.code == 1002


@pytest.mark.parametrize("opcode", [0x8, 0x9, 0xA])
def test_rsv1_on_a_control_frame(opcode: int) -> None:
    events = feed(make_driver(), frame(opcode, b"", rsv=RSV1))
    assert failure(events).status.code == 1002


# Final blocks (RFC 7692 section 7.2.3.4)


def final(payload: bytes) -> bytes:
    """Compress to a stream that ends."""
    compressor = zlib.compressobj(wbits=-12)
    return compressor.compress(payload) + compressor.flush(zlib.Z_FINISH)


def test_the_example_of_the_rfc() -> None:
    data = bytes.fromhex("f348cdc9c9070000")
    assert feed(make_driver(), frame(TEXT, data, rsv=RSV1)) == [TextMessage("Hello")]


@pytest.mark.parametrize("padding", [b"\x00", b""], ids=["padded", "not padded"])
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_final_block_does_not_break_what_follows(padding: bytes, bytewise: bool) -> None:
    data = frame(TEXT, final(b"Hello") + padding, rsv=RSV1)
    data = data * 2 + frame(TEXT, compressed(b"more"), rsv=RSV1) + data
    expected = [TextMessage(text) for text in ("Hello", "Hello", "more", "Hello")]
    assert feed(make_driver(), *(byte_by_byte(data) if bytewise else [data])) == expected


def test_final_blocks_within_a_message() -> None:
    parts = [final(b"one "), final(b"two "), final(b"three") + b"\x00"]
    whole = frame(TEXT, b"".join(parts), rsv=RSV1)
    assert feed(make_driver(), whole) == [TextMessage("one two three")]
    fragments = [
        frame(TEXT, parts[0], fin=False, rsv=RSV1),
        frame(CONTINUATION, parts[1], fin=False),
        frame(CONTINUATION, parts[2]),
    ]
    assert feed(make_driver(), *fragments) == [TextMessage("one two three")]


def test_final_stored_block_whose_end_was_stripped() -> None:
    data = frame(TEXT, b"\x01", rsv=RSV1)
    assert feed(make_driver(), data, data) == [TextMessage(""), TextMessage("")]


def test_flood_of_final_blocks() -> None:
    """Two bytes each, a new zlib object each: refused before they cost anything."""
    final_block = final(b"")
    assert len(final_block) == 2
    ok = frame(BINARY, final_block * MAX_STREAMS_IN_A_MESSAGE, rsv=RSV1)
    assert feed(make_driver(), ok, ok) == [BinaryMessage(b"")] * 2
    flood = frame(BINARY, final_block * 100_000, rsv=RSV1)
    assert failure(feed(make_driver(), flood)).status.code == 1007


def test_empty_payload_that_claims_to_be_compressed() -> None:
    """RFC 7692 section 7.2.3.6 wants one byte; none at all is taken for the same."""
    client = Client()
    empty = frame(TEXT, b"", rsv=RSV1)
    data = [empty, client.message(TEXT, b"x"), empty, client.message(TEXT, b"x" * 9), empty]
    expected = [TextMessage(text) for text in ("", "x", "", "x" * 9, "")]
    assert feed(make_driver(), *data) == expected


# Limits


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("limit", [1, 1000, 65_536, 1 << 20])
def test_limit_counts_inflated_bytes(opcode: int, fragments: int, limit: int) -> None:
    def stream(size: int) -> list[bytes]:
        data = compressed(b"x" * size)
        parts = cut(data, [1, 2] if fragments > 1 else [])
        return [
            frame(
                CONTINUATION if index else opcode,
                part,
                fin=index == len(parts) - 1,
                rsv=0 if index else RSV1,
            )
            for index, part in enumerate(parts)
        ]

    driver = make_driver(max_text_size=limit, max_binary_size=limit)
    [message] = feed(driver, *stream(limit))
    assert isinstance(message, Message)
    assert len(message.payload) == limit
    events = feed(driver, *stream(limit + 1))
    assert type(failure(events).error) is MessageTooBigError


@pytest.mark.parametrize("memory_level", [1, 9])
@pytest.mark.parametrize("size", [1, 100, 1000, 100_000])
def test_limit_lets_what_does_not_compress_pass(size: int, memory_level: int) -> None:
    """Compressed, it is longer than the limit; what counts is what it inflates to."""
    payload = random.Random(2).randbytes(size)
    for level in (1, 9):
        compressor = zlib.compressobj(level, wbits=-12, memLevel=memory_level)
        data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        data = data.removesuffix(TAIL)
        assert size < len(data) <= largest_deflated(size)
        driver = make_driver(max_binary_size=size)
        assert feed(driver, frame(BINARY, data, rsv=RSV1)) == [BinaryMessage(payload)]


def test_declared_length_that_no_message_within_the_limit_has() -> None:
    header = encode_frame(BINARY, rsv=RSV1, key=KEY, declared_length=largest_deflated(1000) + 1)
    events = feed(make_driver(max_binary_size=1000), header)
    assert failure(events).status.code == 1009


@pytest.mark.parametrize("partial", [False, True])
def test_bomb_is_never_inflated(partial: bool) -> None:
    bomb = compressed(bytes(200 << 20))
    driver = Driver(WebSocketOptions(max_binary_size=1 << 20), PARAMETERS, partial)
    data = frame(BINARY, bomb, rsv=RSV1)
    tracemalloc.start()
    try:
        events = feed(driver, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert failure(events).status.code == 1009
    assert peak < 8 << 20


def test_one_pull_inflates_one_message() -> None:
    """A chunk of many highly compressed messages is inflated as slowly as it is handled."""
    one = frame(BINARY, compressed(bytes(1 << 20)), rsv=RSV1)
    driver = make_driver()
    driver.receive_data(one * 100)
    tracemalloc.start()
    try:
        assert isinstance(driver.next_event(), BinaryMessage)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_unlimited() -> None:
    size = 3 << 20
    driver = make_driver(max_binary_size=None)
    data = frame(BINARY, compressed(bytes(size)), rsv=RSV1)
    assert feed(driver, data) == [BinaryMessage(bytes(size))]


@pytest.mark.parametrize("message", [TextMessage("é" * 100), BinaryMessage(bytes(100))])
def test_two_drivers_understand_each_other(message: DataMessage) -> None:
    """Our frames, masked as a client's, come back as the messages they were."""
    sender, receiver = make_driver(), make_driver()
    for _ in range(3):
        [(first, payload)] = sent_frames(sender.encode(message))
        data = frame(first & 0x0F, payload, rsv=first >> 4 & 7)
        assert feed(receiver, data) == [message]
