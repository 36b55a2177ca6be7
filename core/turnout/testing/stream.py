"""A blocking byte stream on which no wait is without a deadline."""

from __future__ import annotations

import select
import socket
import ssl
import time
from types import TracebackType
from typing import Self

from turnout.http import Address
from turnout.testing.conversation import Conversation, recording
from turnout.testing.deadlines import DEADLINE
from turnout.testing.expectations import EndOfStream, Reset, Silence

__all__ = ["ByteStream", "EndOfStream"]

READ_SIZE = 65536


class ByteStream:
    """A TCP, TLS or Unix connection; each call raises `TimeoutError` after `timeout` seconds.

    `wanted` says in errors what it is that is being read.
    """

    wanted: str = "more bytes"

    def __init__(
        self,
        address: Address,
        *,
        timeout: float = DEADLINE,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.timeout = timeout
        self.buffer: bytearray = bytearray()
        self.conversation: Conversation | None = _begin_conversation()
        self.socket: socket.socket = _connect(address, timeout, receive_buffer)
        if tls is not None:
            name = "localhost" if isinstance(address, str) else address[0]
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        if self.conversation is not None:
            self.conversation.sent(data)
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def write_some(self, data: bytes, timeout: float) -> int:
        """Write until the server takes no more for `timeout` seconds; return how much it took."""
        self.socket.settimeout(timeout)
        sent = 0
        view = memoryview(data)
        while sent < len(data):
            try:
                sent += self.socket.send(view[sent : sent + READ_SIZE])
            except TimeoutError:
                break
        return sent

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes; raise `EndOfStream` when the connection ends before."""
        deadline = time.monotonic() + self.timeout
        while len(self.buffer) < size:
            self._receive(deadline)
        return self._take(size)

    def wait_for_bytes(self) -> None:
        """Return when there is something to read, and leave it unread; not for TLS."""
        if not self.buffer and not select.select([self.socket], [], [], self.timeout)[0]:
            raise Silence("something to read", self.timeout)

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and with `mark`."""
        deadline = time.monotonic() + self.timeout
        start = 0
        while (found := self.buffer.find(mark, start)) < 0:
            start = max(0, len(self.buffer) - len(mark) + 1)
            self._receive(deadline)
        return self._take(found + len(mark))

    def read_to_end(self) -> bytes:
        """Return everything until the connection ends, gracefully or by a reset."""
        deadline = time.monotonic() + self.timeout
        try:
            while True:
                self._receive(deadline)
        except (EndOfStream, ConnectionResetError, BrokenPipeError):
            return self._take(len(self.buffer))

    def note(self, what: object) -> None:
        """Enter what was read into the conversation, if that is recorded."""
        if self.conversation is not None:
            self.conversation.received(what)

    def has_data(self, timeout: float) -> bool:
        """Tell whether a byte, or the end, comes within `timeout` seconds."""
        if self.buffer:
            return True
        try:
            self._receive(time.monotonic() + timeout)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def shut_down_writing(self) -> None:
        """Send end-of-file and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Cut the connection with a reset, as a crashed peer does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Silence(self.wanted, self.timeout, self.buffer)
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(READ_SIZE)
        except TimeoutError:
            raise Silence(self.wanted, self.timeout, self.buffer) from None
        except ConnectionResetError:
            self.note("a reset of the connection")
            raise Reset(self.wanted, self.buffer) from None
        if not data:
            self.note("the end of the connection")
            raise EndOfStream(self.wanted, self.buffer)
        self.buffer += data

    def _take(self, size: int) -> bytes:
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data


def _begin_conversation() -> Conversation | None:
    recorded = recording.get()
    if recorded is None:
        return None
    recorded.conversations.append(Conversation())
    return recorded.conversations[-1]


def _connect(address: Address, timeout: float, receive_buffer: int | None) -> socket.socket:
    unix = isinstance(address, str)
    connection = socket.socket(socket.AF_UNIX if unix else _family(address), socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        # Before connecting: the window that TCP offers is settled in its handshake.
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(address)
        if not unix:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET
