"""Both ends of a driver without a socket: a client's frames, and what the driver answers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from turnout.close import CloseStatus
from turnout.errors import ProtocolError
from turnout.http.request import Address
from turnout.messages import Message, PingMessage, PongMessage
from turnout.protocol.connection import StandardConnection
from turnout.protocol.driver import Driver, Event, Failed
from turnout.protocol.transport import Transport
from turnout.testing.frames import encode_frame

FIN, RSV1 = 0x80, 0x40
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
TAIL = b"\x00\x00\xff\xff"
KEY = b"\x11\xa5\x00\xff"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a client's frame, masked with a fixed key."""
    return encode_frame(opcode, payload, fin=fin, rsv=rsv, key=KEY)


def close_frame(payload: bytes = b"") -> bytes:
    return frame(CLOSE, payload)


def compressed(payload: bytes, wbits: int = -12) -> bytes:
    """Return what a client sends for `payload`, without context."""
    compressor = zlib.compressobj(wbits=wbits)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


class WsprotoOnly(Driver):
    """The driver without its short cut."""

    __slots__ = ()
    _short_cut = False


def pull(driver: Driver) -> list[Event]:
    """Return every event there is now."""
    return list(iter(driver.next_event, None))


def feed(driver: Driver, *chunks: bytes) -> list[Event]:
    """Give a driver these chunks, pulling after each."""
    events: list[Event] = []
    for chunk in chunks:
        driver.receive_data(chunk)
        events += pull(driver)
    return events


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut `data` at these places (those beyond its end are left out)."""
    inner = sorted({place for place in places if 0 < place < len(data)})
    return [data[a:b] for a, b in zip([0, *inner], [*inner, len(data)], strict=True)]


def places_between_frames(data: bytes) -> list[int]:
    """Return where a client's frames end, as far as the bytes are frames."""
    places, begin = [], 0
    while len(data) >= begin + 2:
        length = data[begin + 1] & 0x7F
        size = {126: 8, 127: 14}.get(length, 6)
        if size > 6:
            length = int.from_bytes(data[begin + 2 : begin + size - 4], "big")
        begin += size + length
        places.append(begin)
    return places


def failure(events: list[Event]) -> Failed:
    """Return the failure that these events end with."""
    last = events[-1]
    assert isinstance(last, Failed), events
    assert last.status == CloseStatus(last.error.code)
    return last


def sent_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a server's bytes into (first byte, payload)."""
    while data:
        first, length = data[0], data[1]
        begin = 2
        if length > 125:
            begin = 4 if length == 126 else 10
            length = int.from_bytes(data[2:begin], "big")
        assert len(data) >= begin + length, "an unfinished frame"
        yield first, data[begin : begin + length]
        data = data[begin + length :]


class RecordingTransport(Transport):
    """Keeps what is written and asked, and stands for a peer that has not answered yet."""

    native = "native object"
    local_address: Address | None = None
    remote_address: Address | None = None

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.order: list[str] = []
        self.calls: list[str] = []
        self.full_after: int | None = None
        self.has_views = False
        self.protocol: StandardConnection | None = None

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        return list(sent_frames(b"".join(self.writes)))

    def write(self, data: bytes | memoryview) -> None:
        assert "write_eof" not in self.calls, "written after write_eof"
        self.writes.append(bytes(data))
        self.has_views = self.has_views or isinstance(data, memoryview)
        self.order.append("write")
        if self.full_after is not None and sum(map(len, self.writes)) > self.full_after:
            self.full_after = None
            assert self.protocol is not None
            self.protocol.pause_writing()

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def write_eof(self) -> None:
        self.calls.append("write_eof")
        self.order.append("write_eof")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


class Turns:
    """Stands for a runtime: whoever rests goes on when the next turn begins."""

    def __init__(self) -> None:
        self._due: list[Callable[[], object]] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        assert not delay
        self._due.append(callback)

    def next(self) -> None:
        """Begin the next turn."""
        due, self._due = self._due, []
        for callback in due:
            callback()


class RecordingSession:
    """Keeps what the connection says, and closes as a session must.

    With `echo` it sends messages back. `on_message` and `on_end` replace what it does about a
    message, and about a close frame or a violation.
    """

    def __init__(self, connection: StandardConnection, *, echo: bool = False) -> None:
        self.connection = connection
        self.runtime = Turns()
        self.events: list[Any] = []
        self.pause_after: int | None = None
        self.on_message: Callable[[Message], object] | None = connection.send if echo else None
        self.on_end: Callable[[CloseStatus], object] = self.end

    def end(self, status: CloseStatus) -> None:
        self.connection.send_close(status)
        self.connection.close()

    def message_received(self, message: Message) -> None:
        self.events.append(message)
        if self.on_message is not None:
            self.on_message(message)
        if self.pause_after is not None and len(self.events) >= self.pause_after:
            self.connection.pause_reading()

    def ping_received(self, message: PingMessage) -> None:
        self.events.append(message)

    def pong_received(self, message: PongMessage) -> None:
        self.events.append(message)

    def close_received(self, status: CloseStatus) -> None:
        self.events.append(status)
        self.on_end(status)

    def failed(self, status: CloseStatus, error: ProtocolError) -> None:
        self.events.append((status, type(error)))
        self.on_end(status)

    def connection_lost(self, error: Exception | None) -> None:
        self.events.append(("lost", error))

    def pause_writing(self) -> None:
        self.events.append("pause_writing")

    def resume_writing(self) -> None:
        self.events.append("resume_writing")


def attach(connection: StandardConnection, *, echo: bool = False) -> RecordingSession:
    """Give a connection its session."""
    session = RecordingSession(connection, echo=echo)
    connection.session = session  # type: ignore[assignment]  # it has all that a connection calls
    return session
