"""Three readers of the same bytes: the driver, the driver without its short cut, `websockets`.

Held for every input:

- with and without the short cut a session sees the same events, a client gets the same bytes, and
  the transport the same end, however the bytes are cut and reading is paused;
- `websockets`, a strict implementation by others, reads the same messages, and objects to whatever
  the driver lets pass to nobody.
"""

from __future__ import annotations

from typing import Any

from tests.fuzz.inputs import Input
from tests.fuzz.targets.driver import DEFLATES
from tests.protocol.test_differential import outcome
from tests.protocol.wire import WsprotoOnly, cut, pull
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from turnout.errors import InvalidPayloadError, MessageTooBigError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import CloseReceived, Driver, Failed

__all__ = ["run"]

UNLIMITED = WebSocketOptions(max_text_size=None, max_binary_size=None, max_total_size=None)
CLOSE_FRAME = 4
STRICTER = ("more bytes than needed", "not UTF-8")
"""What the driver refuses and `websockets` leaves to others, or lets pass."""


def run(data: bytes) -> None:
    """Feed one input."""
    given = Input(data)
    deflate, partial = given.choice(DEFLATES), given.flag()
    pauses, places = given.cuts(), given.cuts()
    stream = given.stream()
    seen = [
        outcome(made, deflate, cut(stream, cuts), when, partial=partial)
        for made in (Driver, WsprotoOnly)
        for cuts, when in ((places, []), ([], pauses), (places, pauses))
    ]
    compresses = deflate is not None
    first = normalised(seen[0], compresses=compresses)
    for other in seen[1:]:
        assert normalised(other, compresses=compresses) == first
    if not compresses:
        compare_with_websockets(stream)


def normalised(
    seen: tuple[list[Any], bytes, list[str]], *, compresses: bool
) -> tuple[list[Any], bytes, list[str]]:
    """Return an outcome without what may depend on the cuts: 1007 or 1009, as the driver says."""
    events, written, ends = seen
    last = events[-1] if events and compresses else None
    if isinstance(last, tuple) and last[1] in (InvalidPayloadError, MessageTooBigError):
        return events[:-1], written[:-CLOSE_FRAME], ends
    return seen


def compare_with_websockets(stream: bytes) -> None:
    """Read a stream, uncompressed and without limits, both ways."""
    driver = Driver(UNLIMITED)
    driver.receive_data(stream)
    events = pull(driver)
    peer = ServerProtocol(state=OPEN, max_size=None)
    peer.receive_data(stream)
    theirs = messages_of([event for event in peer.events_received() if isinstance(event, Frame)])
    ours = [event for event in events if isinstance(event, Message)]
    assert ours == theirs[: len(ours)]
    last = events[-1] if events else None
    if isinstance(last, Failed):
        # `websockets` looks at a frame when all of it is there; the driver at its first bytes.
        waits = peer.parser_exc is None and ours == theirs
        assert waits or peer.parser_exc or any(word in str(last.error) for word in STRICTER)
        return
    assert ours == theirs
    if peer.parser_exc is None:
        assert isinstance(last, CloseReceived) is (peer.close_rcvd is not None)
        return
    # A close frame may cut a message short (RFC 6455 section 5.4); `websockets` objects.
    assert isinstance(last, CloseReceived)
    assert "incomplete fragmented message" in str(peer.parser_exc)


def messages_of(frames: list[Frame]) -> list[Message]:
    """Join the frames that `websockets` has read, as far as they are text where they must be."""
    messages: list[Message] = []
    pieces: list[bytes] = []
    is_text = False
    for frame in frames:
        payload = bytes(frame.data)
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            kind = PingMessage if frame.opcode is Opcode.PING else PongMessage
            messages.append(kind(payload))
            continue
        if frame.opcode is Opcode.CLOSE:
            break
        if frame.opcode is not Opcode.CONT:
            is_text, pieces = frame.opcode is Opcode.TEXT, []
        pieces.append(payload)
        if frame.fin:
            whole = b"".join(pieces)
            try:
                messages.append(TextMessage(whole.decode()) if is_text else BinaryMessage(whole))
            except UnicodeDecodeError:
                break
    return messages
