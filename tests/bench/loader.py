"""The load: many connections, each with so many messages in flight, from one thread on one core.

It parses nothing but lengths, so that it costs less than any server under it; `raw` shows how
fast it can be. Requests are canned, and so are messages; replies are counted by their bytes.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn, TypeAlias

from turnout.testing.frames import BINARY, CLOSE, TEXT, encode_frame

__all__ = [
    "Connection",
    "Echo",
    "Load",
    "Window",
    "connect",
    "handshake",
    "length_of_reply",
    "open_connections",
]

Port: TypeAlias = int
READ_SIZE = 1 << 20
DEADLINE = 30.0
_DEFLATE = (
    "permessage-deflate; client_max_window_bits"
    "; client_no_context_takeover; server_no_context_takeover"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a client sends: messages of `size` bytes, `in_flight` at once on each connection.

    Each begins with `prefix`. With `greeted` the server sends the first.
    """

    connections: int = 64
    in_flight: int = 1
    size: int = 125
    kind: str = "text"
    deflate: bool = False
    tls: bool = False
    prefix: bytes = b""
    greeted: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        deflate = " deflate" if self.deflate else ""
        connections = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        sent = f"{_size_in_words(self.size)} {self.kind}{deflate}"
        tls = " over TLS" if self.tls else ""
        return f"{connections}, {self.in_flight} in flight, {sent}{tls}"

    @property
    def message(self) -> bytes:
        """The frame of one message, masked, compressed where that was agreed."""
        payload = (self.prefix + b"turnout " * (self.size // 8 + 1))[: self.size]
        opcode = TEXT if self.kind == "text" else BINARY
        if self.deflate:
            import zlib

            squeeze = zlib.compressobj(1, zlib.DEFLATED, -12, 5)
            payload = squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            return encode_frame(opcode, payload[:-4], rsv=4)
        return encode_frame(opcode, payload)


def _size_in_words(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size // 1024} KiB" if size < 1024**2 else f"{size // 1024**2} MiB"


def handshake(path: str, *, deflate: bool = False) -> bytes:
    """Return a request for an upgrade."""
    fields = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Extensions: {_DEFLATE}"] if deflate else []),
    ]
    return "\r\n".join([*fields, "", ""]).encode()


@dataclass(slots=True)
class Connection:
    """One open WebSocket; its socket does not block."""

    socket: socket.socket
    replies: int = 0
    owed: int = 0
    unsent: bytes | memoryview = b""
    sent_at: deque[float] = field(default_factory=deque)

    def send(self, data: bytes | memoryview) -> bool:
        """Send what the kernel takes; tell whether that was all."""
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self.unsent = memoryview(data)[sent:] if sent < len(data) else b""
        return not self.unsent

    def receive(self, buffer: bytearray) -> int:
        """Receive what the kernel has, at least one byte; raise `ConnectionError` at the end."""
        return self.socket.recv_into(buffer) or _ended()


@dataclass(slots=True)
class TlsConnection(Connection):
    """One open WebSocket over TLS, which tells of less than was received."""

    def send(self, data: bytes | memoryview) -> bool:
        """Send what the kernel takes; tell whether that was all."""
        try:
            sent = self.socket.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        self.unsent = memoryview(data)[sent:] if sent < len(data) else b""
        return not self.unsent

    def receive(self, buffer: bytearray) -> int:
        """Receive all that has come, record by record; it may be none of a message."""
        received = 0
        while True:
            try:
                received += self.socket.recv_into(buffer) or _ended()
            except ssl.SSLWantReadError:
                return received


def _ended() -> NoReturn:
    raise ConnectionError("the server ended a connection")


def connect(port: Port, request: bytes, *, greeted: bool = False, tls: bool = False) -> Connection:
    """Return a connection whose 101 has come; raise `ConnectionError` for any other answer.

    With `greeted`, a message has come as well. With `tls`, whatever certificate there is will do.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        sock = _unchecked().wrap_socket(sock)
    sock.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        head += data
        if not data or not head.startswith(b"HTTP/1.1 101 "[: len(head)]):
            sock.close()
            raise ConnectionError(f"not upgraded: {head!r}")
    if b"permessage-deflate" in request and b"permessage-deflate" not in head:
        sock.close()
        raise ConnectionError("permessage-deflate was not agreed")
    greeting = head.partition(b"\r\n\r\n")[2]
    while greeted and (len(greeting) < 2 or len(greeting) < _frame_length(greeting)):
        greeting += _received(sock)
    sock.setblocking(False)
    return TlsConnection(sock) if tls else Connection(sock)


@cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server is this program's own, on loopback
    return context


@contextmanager
def open_connections(port: Port, path: str, load: Load) -> Iterator[list[Connection]]:
    """Open the connections of a load; close them afterwards."""
    request = handshake(path, deflate=load.deflate)
    connections: list[Connection] = []
    try:
        for _ in range(load.connections):
            connections.append(connect(port, request, greeted=load.greeted, tls=load.tls))
        yield connections
    finally:
        for connection in connections:
            connection.socket.close()


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in a stretch of time."""

    messages: int
    seconds: float
    server_cpu: float

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for each message."""
        return self.server_cpu / max(1, self.messages) * 1e6


class Echo:
    """Keeps the messages of a load in flight on open connections."""

    def __init__(self, connections: list[Connection], load: Load) -> None:
        self._message = load.message
        self._in_flight = load.in_flight
        self._connections = {each.socket.fileno(): each for each in connections}
        self._poll = select.epoll()
        self._buffer = bytearray(READ_SIZE)
        self._length = 0
        for number in self._connections:
            self._poll.register(number, select.EPOLLIN)

    def begin(self) -> None:
        """Learn the length of a reply, then send the first messages."""
        first = next(iter(self._connections.values()))
        self._length = length_of_reply(first, self._message)
        for connection in self._connections.values():
            self._send(connection, self._in_flight)

    def run(self, seconds: float, cpu: Callable[[], float]) -> Window:
        """Echo for so long, and until at least one reply has come."""
        before, cpu_before = self._replies, cpu()
        began = now = time.perf_counter()
        while now - began < seconds or self._replies == before:
            if now - began > seconds + DEADLINE:
                raise TimeoutError("no reply comes")
            for number, events in self._poll.poll(0):
                self._serve(self._connections[number], events)
            now = time.perf_counter()
        return Window(self._replies - before, now - began, cpu() - cpu_before)

    def close(self) -> None:
        """Forget the connections; they stay open."""
        self._poll.close()

    @property
    def _replies(self) -> int:
        return sum(each.replies for each in self._connections.values())

    def _serve(self, connection: Connection, events: int) -> None:
        if events & select.EPOLLOUT and connection.send(connection.unsent):
            self._poll.modify(connection.socket.fileno(), select.EPOLLIN)
        if not events & ~select.EPOLLOUT:
            return
        received = connection.receive(self._buffer)
        count, connection.owed = divmod(connection.owed + received, self._length)
        if count:
            connection.replies += count
            self._send(connection, count)

    def _send(self, connection: Connection, count: int) -> None:
        data = self._message * count
        if connection.unsent:
            connection.unsent = bytes(connection.unsent) + data
        elif not connection.send(data):
            both = select.EPOLLIN | select.EPOLLOUT
            self._poll.modify(connection.socket.fileno(), both)


def length_of_reply(connection: Connection, message: bytes) -> int:
    """Send one message and return how many bytes its echo has."""
    sock = connection.socket
    sock.settimeout(DEADLINE)
    sock.sendall(message)
    data = _received(sock)
    while len(data) < 10 and (len(data) < 2 or len(data) < _frame_length(data)):
        data += _received(sock)
    if data[0] & 0x0F == CLOSE:
        raise ConnectionError("the server refused the message")
    length = _frame_length(data)
    while len(data) < length:
        data += _received(sock)
    assert len(data) == length, "more came than one reply"
    sock.setblocking(False)
    return length


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(READ_SIZE)
    if not data:
        _ended()
    return data


def _frame_length(data: bytes) -> int:
    short = data[1] & 0x7F
    if short < 126:
        return 2 + short
    if short == 126:
        return 4 + int.from_bytes(data[2:4], "big")
    return 10 + int.from_bytes(data[2:10], "big")
