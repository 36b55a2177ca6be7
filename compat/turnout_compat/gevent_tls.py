"""The transport over TLS, where one direction may have to wait for the other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from gevent import ssl

from turnout_compat.gevent_transport import CHUNK, READ, WRITE, GeventTransport

if TYPE_CHECKING:
    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["TlsTransport", "transport_over"]


def transport_over(sock: Any, runtime: GeventRuntime, native: Any = None) -> GeventTransport:
    """Return the transport for a socket that nobody else reads or writes from now on."""
    kind = TlsTransport if isinstance(sock, ssl.SSLSocket) else GeventTransport
    return kind(sock, runtime, native)


class TlsTransport(GeventTransport):
    """Reads and writes a TLS socket in the hub; see `GeventTransport`."""

    def resume_reading(self) -> None:
        """Call `data_received` as bytes come, and for those that are decrypted already."""
        super().resume_reading()
        if self._reading and self._socket.pending():
            self._loop.run_callback(self._read_pending)

    def _readable(self) -> None:
        super()._readable()
        if self._reading and self._socket.pending():  # the kernel will not report these again
            self._runtime.call_later(0, self._read_pending)

    def _read_pending(self) -> None:
        if self._reading and self._socket.pending():
            self._readable()

    def _receive(self) -> bytes | None:
        data = None
        wanted = READ
        try:
            data = cast("bytes", self._socket.recv(CHUNK))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            wanted = WRITE
        self._watch_input(wanted)
        return data

    def _send(self, data: bytes | bytearray) -> int:
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
            self._socket.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return  # the peer has not answered it yet
        except (OSError, ValueError) as error:  # the peer has gone
            self._fail(error)

    def _shut_down(self) -> None:
        # Best effort: close_notify, so that the peer can tell the end from a cut.
        with contextlib.suppress(OSError, ValueError):
            self._socket.unwrap()
        super()._shut_down()
