"""The standard driver: a client's bytes, cut anywhere.

Held for every input:

- nothing is raised: a violation is an event;
- the events are the same for any chunking, with and without the short cut, pulled late or at once;
- every event is within the limits, pieces of a message are in order and of one kind;
- there are at most as many events as frames fit into the bytes;
- after the peer's close frame, or a violation, nothing is delivered and no byte is kept;
- what waits for the rest of a message is within the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.fuzz.inputs import Input
from tests.fuzz.retained import retained_bytes
from tests.protocol.wire import WsprotoOnly, byte_by_byte, cut, pull

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError, MessageTooBigError
from turnout.messages import DataMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.deflate import largest_deflated
from turnout.protocol.driver import CloseReceived, Driver, Event, Failed
from turnout.protocol.extensions import DeflateParameters

__all__ = ["WAYS", "examine", "run"]

OPTIONS = (
    WebSocketOptions(max_text_size=300, max_binary_size=200, max_total_size=400),
    WebSocketOptions(max_text_size=1, max_binary_size=70_000, max_total_size=70_000),
    WebSocketOptions(max_text_size=100_000, max_binary_size=100_000, max_total_size=None),
)
DEFLATES = (
    None,
    DeflateParameters(12, 12, memory_level=1),
    DeflateParameters(15, 15, True, True, memory_level=1),
    DeflateParameters(9, 8, False, True, memory_level=1),
)
SMALLEST_FRAME = 6
SHORT = 64
# Objects around the payload: decoder, zlib's unconsumed input, the header of the next frame.
SLACK = 4096


def run(data: bytes) -> None:
    """Feed one input, in one piece and in one other way."""
    examine(data, WAYS[len(data) % len(WAYS) :][:1])


def examine(data: bytes, ways: Sequence[Way]) -> None:
    """Feed one input in one piece and in these other ways."""
    given = Input(data)
    options, deflate = given.choice(OPTIONS), given.choice(DEFLATES)
    partial, places = given.flag(), given.cuts()
    stream = given.stream()
    driver = Driver(options, deflate, partial)
    events = feed(driver, [stream])
    check_events(events, len(stream), options, partial)
    check_end(driver, events, options)
    for made, fed, cut_up in ways:
        assert fed(made(options, deflate, partial), cut_up(stream, places)) == events


def feed(driver: Driver, chunks: list[bytes]) -> list[object]:
    """Give a driver these chunks, pulling after each; return its events in a comparable form."""
    events: list[Event] = []
    for chunk in chunks:
        driver.receive_data(chunk)
        events += pull(driver)
    return [comparable(event, driver._agreed is not None) for event in events]


def feed_late(driver: Driver, chunks: list[bytes]) -> list[object]:
    """Give a driver these chunks, then the end, and pull only then."""
    for chunk in chunks:
        driver.receive_data(chunk)
    driver.receive_eof()
    return [comparable(event, driver._agreed is not None) for event in pull(driver)]


def single_bytes(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at its places, and its beginning into single bytes."""
    begin, *more = cut(stream, [SHORT, *(SHORT + place for place in places)])
    return [*byte_by_byte(begin), *more]


def comparable(event: Event, compresses: bool) -> object:
    """Return an event so that equal ones are equal: errors compare by their type only.

    Which of two violations a compressed message is failed for depends on how it was cut.
    """
    if not isinstance(event, Failed):
        return event
    assert event.status == CloseStatus(event.error.code)
    if compresses and isinstance(event.error, (InvalidPayloadError, MessageTooBigError)):
        return (Failed, "1007 or 1009")
    return (Failed, type(event.error))


Way = tuple[
    type[Driver],
    Callable[[Driver, list[bytes]], list[object]],
    Callable[[bytes, list[int]], list[bytes]],
]
WAYS: tuple[Way, ...] = (
    (Driver, feed, cut),
    (Driver, feed_late, cut),
    (WsprotoOnly, feed, cut),
    (Driver, feed, single_bytes),
)


def check_events(events: list[object], size: int, options: WebSocketOptions, partial: bool) -> None:
    """Check that a handler may get these events out of `size` bytes."""
    assert len(events) <= size // SMALLEST_FRAME + 1, "more events than frames"
    open_kind: type[Message] | None = None
    total = 0
    for event in events:
        if not isinstance(event, Message) or isinstance(event, (PingMessage, PongMessage)):
            continue
        assert partial or event.is_whole
        assert event.is_first is (open_kind is None), "a piece out of order"
        assert event.is_first or type(event) is open_kind, "a piece of another kind"
        length = payload_size(event)
        assert length <= limit_of(event, options), "over the limit"
        total = length if event.is_first else total + length
        assert options.max_total_size is None or not partial or total <= options.max_total_size
        open_kind = None if event.is_last else type(event)
    for event in events[:-1]:
        assert isinstance(event, Message), "something after the end"


def payload_size(message: Message) -> int:
    """Return how many bytes a message has on the wire before compression."""
    payload = message.payload
    return len(payload.encode()) if isinstance(message, TextMessage) else len(payload)


def limit_of(message: DataMessage | Message, options: WebSocketOptions) -> int:
    """Return the limit of a message of this kind; the targets set all of them."""
    is_text = isinstance(message, TextMessage)
    limit = options.max_text_size if is_text else options.max_binary_size
    assert limit is not None
    return limit


def check_end(driver: Driver, events: list[object], options: WebSocketOptions) -> None:
    """Check that nothing follows an end, and that no more is kept than the rest needs."""
    ended = bool(events) and not isinstance(events[-1], Message)
    assert ended is (bool(events) and isinstance(events[-1], (CloseReceived, tuple)))
    if ended:
        driver.receive_data(b"\x81\x80\0\0\0\0" * 3)
        assert pull(driver) == [], "delivered after the end"
        assert retained_bytes(driver) < SLACK, "kept after the end"
        return
    largest = max(options.max_text_size or 0, options.max_binary_size or 0)
    assert retained_bytes(driver) <= 3 * largest_deflated(largest) + SLACK, "kept too much"
