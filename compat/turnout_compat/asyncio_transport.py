"""A byte transport of turnout over one of asyncio."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import ConfigurationError
from turnout.protocol.transport import Transport
from turnout_compat.asyncio_takeover import Forwarding
from turnout_compat.socket_transport import address_of

if TYPE_CHECKING:
    from turnout.http import Address
    from turnout.serving import ServerSettings

__all__ = [
    "AsyncioTransport",
    "address_of",
    "bound_address",
    "bound_reads",
    "end_output",
    "tls_context",
]

READ_SIZE: Final = 64 * 1024


class AsyncioTransport(Transport):
    """Wraps a connected stream transport; make the `StandardConnection` its protocol.

    asyncio buffers what the socket does not take and calls `pause_writing` over 64 KiB.
    """

    def __init__(self, transport: asyncio.Transport, native: Any = None) -> None:
        bound_reads(transport)
        self._transport = transport
        self.native = transport if native is None else native
        self.half_closes = transport.can_write_eof()
        self.local_address = address_of(transport.get_extra_info("sockname"))
        self.remote_address = address_of(transport.get_extra_info("peername"))
        self.write = transport.write  # type: ignore[method-assign]  # the hot path: no call between

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes; replaced by asyncio's own method."""

    def pause_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def close(self) -> None:
        """Flush and end."""
        self._transport.close()

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def write_eof(self) -> None:
        """Send no more; what the peer sends can still be read."""
        end_output(self._transport)


def bound_reads(transport: Any) -> None:
    """Let asyncio ask for no more than 64 KiB at once, where it can be told.

    It asks for 256 KiB, into memory that is fresh each time. As long as nothing larger than glibc's
    threshold of 128 KiB was ever freed, each read is a mapping made and unmapped: 12 µs more for
    every message, or not, by what else the process happens to have done.
    """
    if hasattr(transport, "max_size"):  # uvloop has a buffer of its own
        transport.max_size = READ_SIZE


def end_output(transport: asyncio.Transport) -> None:
    """Send no more behind what was written; end all if the peer has gone.

    Between its RST and the moment when the loop reads of it the kernel refuses (ENOTCONN), which
    asyncio lets out. What we have just written may have been what the RST answers, so whoever
    looks first for the peer's end is not safe from it either.
    """
    if transport.is_closing():
        return
    if not transport.can_write_eof():
        _end_tls(transport)
        return
    if transport.get_write_buffer_size():
        EndBehind(transport)
        return
    try:
        transport.write_eof()
    except OSError:
        transport.abort()


def _end_tls(transport: asyncio.Transport) -> None:
    """Send close_notify behind what was written, and drop what has come.

    asyncio's own `close` would take what the peer is still sending for a failure, and reset the
    connection. OpenSSL does, so it is not to find any when it looks for the peer's close_notify.
    """
    tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
    try:
        while tls.read(READ_SIZE):
            pass
        transport.close()  # the peer's close_notify was here first
    except ssl.SSLWantReadError:
        _send_close_notify(transport, tls)
    except ssl.SSLError:
        transport.abort()


def _send_close_notify(transport: asyncio.Transport, tls: ssl.SSLObject) -> None:
    try:
        tls.unwrap()
        transport.close()
    except ssl.SSLWantReadError:  # the peer's own is still to come
        transport.pause_reading()
        transport.resume_reading()  # in asyncio, this is what lets OpenSSL's output go
    except ssl.SSLError:
        transport.abort()


class EndBehind(Forwarding):
    """Ends the output when all is written: asyncio, asked to, logs that the kernel refused."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(0)  # to be told when the last byte has left

    def resume_writing(self) -> None:
        """Pass it on, and end the output when asyncio is through with the write."""
        super().resume_writing()
        asyncio.get_running_loop().call_soon(end_output, self._transport)


def bound_address(server: asyncio.Server) -> Address:
    """Return where a server listens."""
    address = address_of(server.sockets[0].getsockname())
    assert address is not None
    return address


def tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """Return the TLS context of the settings; raise `ConfigurationError` for bad files."""
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        files: list[Path] = [path for path in (settings.tls_cert, settings.tls_key) if path]
        named = " and ".join(map(str, files))
        raise ConfigurationError(f"cannot use {named} for TLS: {error}") from error
    return context
