"""A byte transport of turnout over a connected socket that is not its own.

Everything happens in callbacks of one loop, gevent's hub or an asyncio event loop, so an idle
connection costs nothing but its socket, and ready sockets are served in turn: one chunk each. The
socket stays open for its server to close; when the connection ends here it is shut down, which the
peer sees at once.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from turnout.protocol.transport import Transport, TransportProtocol
from turnout_compat.tls_end import send_close_notify

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = ["CHUNK", "READ", "WRITE", "SocketTransport", "TlsMixin", "address_from", "address_of"]

log = logging.getLogger("turnout.transport")

READ, WRITE = 1, 2  # event masks, as libev and selectors have them
CHUNK: Final = 64 * 1024
HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = 16 * 1024


def address_of(name: Any) -> Address | None:
    """Return what a socket calls one of its ends as an address; None for an unnamed end."""
    if isinstance(name, tuple):
        return cast("str", name[0]), cast("int", name[1])
    if isinstance(name, bytes):
        name = name.decode(errors="surrogateescape")
    return cast("str", name) or None


def address_from(ask: Callable[[], Any]) -> Address | None:
    """Return what a socket's `getpeername` or `getsockname` says; None when its peer has gone."""
    try:
        return address_of(ask())
    except OSError:
        return None


class SocketTransport(Transport):
    """Reads and writes a socket in its loop, from `begin` on.

    `write` hands to the kernel what it takes and buffers the rest; over 64 KiB of it the protocol
    is told to pause. Everything is called inside the loop.
    """

    protocol: TransportProtocol
    """What is told of everything that happens."""

    def __init__(self, sock: Any, native: Any = None) -> None:
        sock.settimeout(0.0)
        if sock.family != socket.AF_UNIX:  # a frame is a whole: never wait for more to send
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self.native = sock if native is None else native
        self.local_address = address_from(sock.getsockname)
        self.remote_address = address_from(sock.getpeername)
        self._buffer: bytearray | None = None
        self._reading = False
        self._protocol_paused = False
        self._ending = False  # close() was called: only what is buffered still goes out
        self._eof_wanted = False
        self._input_ended = False
        self._lost = False

    # What the loop gives

    @abstractmethod
    def _watch_input(self, events: int) -> None:
        """Call `_readable` when the socket is ready for one of `events`; 0 for no longer."""

    @abstractmethod
    def _watch_output(self, events: int) -> None:
        """Call `_flush` when the socket is ready for one of `events`; 0 for no longer."""

    @abstractmethod
    def _call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call `callback` from the loop, before or after other sockets have had their turn."""

    def _call_in_turn(self, callback: Callable[[], object]) -> None:
        """Call `callback` from the loop, after other sockets have had their turn."""
        self._call_soon(callback)

    def begin(self, protocol: TransportProtocol) -> None:
        """Begin to read, for `protocol`."""
        self.protocol = protocol
        self.resume_reading()

    # Reading

    def resume_reading(self) -> None:
        """Call `data_received` as bytes come."""
        if not self._reading and not self._input_ended and not self._ending:
            self._reading = True
            self._watch_input(READ)

    def pause_reading(self) -> None:
        """Leave bytes in the kernel, so that the peer is held back by TCP."""
        self._reading = False
        self._watch_input(0)

    def _readable(self) -> None:
        try:
            data = self._receive()
        except OSError as error:
            self._lose(error)
            return
        if data is None:
            return
        try:
            if data:
                self.protocol.data_received(data)
            else:
                self._take_eof()
        except Exception as error:
            log.exception("an error while data was received; the connection is cut")
            self._lose(error)

    def _receive(self) -> bytes | None:
        """Return what has come, nothing at the end of the stream, None when it takes more."""
        try:
            return cast("bytes", self._socket.recv(CHUNK))
        except BlockingIOError:
            return None

    def _take_eof(self) -> None:
        self._input_ended = True
        self.pause_reading()
        if not self.protocol.eof_received():
            self.close()

    # Writing

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, in order; never waits."""
        if self._ending or self._lost or self._eof_wanted:
            return
        if self._buffer is None:
            sent = self._try_to_send(data)
            if sent == len(data) or self._lost:
                return
            self._buffer = bytearray(memoryview(data)[sent:])
        else:
            self._buffer += data
        if len(self._buffer) > HIGH_WATER and not self._protocol_paused:
            self._protocol_paused = True
            self.protocol.pause_writing()

    def _try_to_send(self, data: bytes | bytearray | memoryview) -> int:
        """Return how much the socket took; the loop calls back when it takes more."""
        try:
            sent = self._send(data)
        except OSError as error:
            self._fail(error)
            return 0
        return sent

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        try:
            sent = cast("int", self._socket.send(data))
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._watch_output(WRITE)
        return sent

    def _flush(self) -> None:
        if self._buffer is None:
            return
        del self._buffer[: self._try_to_send(self._buffer)]
        if self._lost:
            return
        if not self._buffer:
            self._buffer = None
            self._watch_output(0)
        if self._protocol_paused and (self._buffer is None or len(self._buffer) <= LOW_WATER):
            self._protocol_paused = False
            self.protocol.resume_writing()
        if self._buffer is None:
            self._finish_output()

    def _finish_output(self) -> None:
        if self._ending:
            self._lose(None)
        elif self._eof_wanted:
            self._send_eof()

    # Ending

    def write_eof(self) -> None:
        """Send no more once the buffer is written; reading goes on."""
        if not self._eof_wanted and not self._ending and not self._lost:
            self._eof_wanted = True
            if self._buffer is None:
                self._send_eof()

    def _send_eof(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:  # the peer has gone
            self._fail(error)

    def close(self) -> None:
        """Write what is buffered, then end; `connection_lost` follows."""
        if self._ending or self._lost:
            return
        self._ending = True
        self.pause_reading()
        if self._buffer is None:
            self._call_soon(self._lose, None)

    def abort(self) -> None:
        """End now; `connection_lost` follows."""
        self._fail(None)

    def release(self) -> None:
        """Leave the socket to its server, which is about to close it: nothing watches it now."""
        self._lose(None)

    def _fail(self, error: Exception | None) -> None:
        """End soon: `connection_lost` never comes inside a call of the session's."""
        if not self._lost:
            self._ending = True
            self._buffer = None
            self._unwatch()
            self._call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._ending = True
        self._buffer = None
        self._unwatch()
        self._shut_down()
        self.protocol.connection_lost(error)

    def _unwatch(self) -> None:
        self.pause_reading()
        self._watch_output(0)

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):  # the peer was quicker
            self._socket.shutdown(socket.SHUT_RDWR)


class TlsMixin(SocketTransport):
    """A transport over TLS, where one direction may have to wait for the other."""

    def resume_reading(self) -> None:
        """Call `data_received` as bytes come, and for those that are decrypted already."""
        super().resume_reading()
        if self._reading and self._socket.pending():
            self._call_soon(self._read_pending)

    def _readable(self) -> None:
        super()._readable()
        if self._reading and self._socket.pending():  # the kernel will not report these again
            self._call_in_turn(self._read_pending)

    def _read_pending(self) -> None:
        if self._reading and self._socket.pending():
            self._readable()

    def _receive(self) -> bytes | None:
        data = None
        wanted = READ
        try:
            data = cast("bytes", self._socket.recv(CHUNK))
        except (ssl.SSLWantReadError, BlockingIOError):  # the latter behind the end of TLS
            pass
        except ssl.SSLWantWriteError:
            wanted = WRITE
        self._watch_input(wanted)
        return data

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        left = memoryview(data)
        try:
            while left:  # OpenSSL takes one record at a time
                left = left[self._socket.write(left) :]
        except ssl.SSLWantWriteError:
            self._watch_output(WRITE)
        except ssl.SSLWantReadError:
            self._watch_output(READ)
        return len(data) - len(left)

    def _send_eof(self) -> None:
        # close_notify ends our direction of TLS; the socket stays open both ways, to read on.
        try:
            send_close_notify(self._socket)
        except (OSError, ValueError) as error:  # the peer has gone
            self._fail(error)

    def _shut_down(self) -> None:
        # Best effort: close_notify, so that the peer can tell the end from a cut.
        with contextlib.suppress(OSError, ValueError):
            send_close_notify(self._socket)
        super()._shut_down()
