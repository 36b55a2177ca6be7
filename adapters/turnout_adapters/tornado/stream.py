"""An `IOStream` of Tornado as a byte transport of turnout, where its socket cannot be had: TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from tornado.iostream import IOStream, SSLIOStream

from turnout.protocol.transport import Transport
from turnout_compat.tls_end import send_close_notify

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from turnout.protocol.transport import TransportProtocol

__all__ = ["Backlog", "IOStreamTransport", "close_stream", "end_output"]

READ_SIZE = 64 * 1024
HIGH_WATER = 64 * 1024  # as asyncio's transports have it
LOW_WATER = HIGH_WATER // 4


class Backlog:
    """What an `IOStream` was given and its socket has not taken: Tornado itself has no limit."""

    __slots__ = ("_on_empty", "_pause", "_resume", "paused", "size")

    def __init__(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        self._pause = pause
        self._resume = resume
        self._on_empty: Callable[[], object] | None = None
        self.size = 0
        self.paused = False

    def add(self, written: Future[None], size: int) -> None:
        """Count a write until its future is done."""
        if written.done():
            return
        self.size += size
        written.add_done_callback(partial(self._taken, size))
        if self.size > HIGH_WATER and not self.paused:
            self.paused = True
            self._pause()

    def when_empty(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the socket has taken everything, now if it has."""
        if self.size:
            self._on_empty = callback
        else:
            callback()

    def _taken(self, size: int, written: Future[None]) -> None:
        self.size -= size
        if written.cancelled() or written.exception() is not None:
            return  # the stream is closed, and its close callback tells
        if self.paused and self.size <= LOW_WATER:
            self.paused = False
            self._resume()
        if not self.size and self._on_empty is not None:
            callback, self._on_empty = self._on_empty, None
            callback()


def end_output(stream: IOStream) -> None:
    """Tell the peer that no more will come; what it sends can still be read."""
    if stream.closed():
        return
    with contextlib.suppress(OSError, ValueError):  # it went first
        if isinstance(stream, SSLIOStream):
            if send_close_notify(stream.socket):
                stream.close()
        else:
            connected: Any = stream.socket  # None only when it is closed
            connected.shutdown(socket.SHUT_WR)


def close_stream(stream: IOStream) -> None:
    """Close the stream as its protocol wants it: Tornado itself sends no close_notify."""
    if isinstance(stream, SSLIOStream):
        end_output(stream)
    stream.close()


class IOStreamTransport(Transport):
    """Reads and writes through the stream; `attach` begins to read."""

    def __init__(self, stream: IOStream, native: Any) -> None:
        self.native = native
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._protocol: TransportProtocol
        self._backlog: Backlog
        self._reading = False
        self._paused = False
        self._arrived: deque[bytes] = deque()
        self._ended = False

    def attach(self, protocol: TransportProtocol) -> None:
        """Deliver to `protocol` from now on."""
        self._protocol = protocol
        self._backlog = Backlog(protocol.pause_writing, protocol.resume_writing)
        self._stream.set_close_callback(self._closed)
        self._read_on()

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes; what comes after the end is dropped."""
        if not self._ended and not self._stream.closed():
            self._backlog.add(self._stream.write(data), len(data))

    def pause_reading(self) -> None:
        """Read no more; what arrives meanwhile is kept."""
        self._paused = True

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        self._loop.call_soon(self._read_on)

    def write_eof(self) -> None:
        """Send close_notify once everything is written."""
        self._ended = True
        self._backlog.when_empty(partial(end_output, self._stream))

    def close(self) -> None:
        """End once everything is written."""
        self._ended = True
        self._backlog.when_empty(partial(close_stream, self._stream))

    def abort(self) -> None:
        """End now."""
        self._stream.close()

    def _read_on(self) -> None:
        """Deliver what has arrived, and ask for more."""
        while self._arrived and not self._paused:
            self._deliver(self._arrived.popleft())
        if self._paused or self._reading or self._stream.closed():
            return
        try:
            arrived: Any = self._stream.read_bytes(READ_SIZE, partial=True)
        except OSError:
            return  # the stream is closed, and its close callback tells
        self._reading = True
        arrived.add_done_callback(self._received)

    def _received(self, arrived: Future[bytes]) -> None:
        self._reading = False
        if arrived.exception() is None:  # else the stream is closed, and its close callback tells
            self._arrived.append(arrived.result())
            self._read_on()

    def _deliver(self, data: bytes) -> None:
        try:
            self._protocol.data_received(data)
        except BaseException:
            self._stream.close()
            raise

    def _closed(self) -> None:
        self._arrived.clear()
        error = self._stream.error
        self._protocol.connection_lost(error if isinstance(error, Exception) else None)
