"""The byte transport over a socket of a threaded server; everything happens in the I/O thread."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from turnout_compat.hangup import HangupWatch
from turnout_compat.socket_transport import READ, WRITE, SocketTransport, TlsMixin

if TYPE_CHECKING:
    import asyncio

    from turnout_compat.threads_io import IoRuntime

__all__ = ["LoopTransport", "ThreadHangupWatch", "transport_over"]


class LoopTransport(SocketTransport):
    """Reads and writes a socket in an event loop, which it was not made by."""

    def __init__(self, sock: Any, loop: asyncio.AbstractEventLoop, native: Any = None) -> None:
        super().__init__(sock, native)
        self._loop = loop
        self._descriptor: int = sock.fileno()
        self._input_waits_for = 0
        self._output_waits_for = 0
        self._watched = 0

    def _watch_input(self, events: int) -> None:
        if events != self._input_waits_for:
            self._input_waits_for = events
            self._watch()

    def _watch_output(self, events: int) -> None:
        if events != self._output_waits_for:
            self._output_waits_for = events
            self._watch()

    def _watch(self) -> None:
        # The loop has one reader and one writer for a socket; TLS may need either for both ways.
        wanted = self._input_waits_for | self._output_waits_for
        changed = wanted ^ self._watched
        self._watched = wanted
        if changed & READ:
            if wanted & READ:
                self._loop.add_reader(self._descriptor, self._ready, READ)
            else:
                self._loop.remove_reader(self._descriptor)
        if changed & WRITE:
            if wanted & WRITE:
                self._loop.add_writer(self._descriptor, self._ready, WRITE)
            else:
                self._loop.remove_writer(self._descriptor)

    def _ready(self, event: int) -> None:
        if self._output_waits_for & event:
            self._flush()
        if self._input_waits_for & event:
            self._readable()

    def _call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon(callback, *arguments)


class LoopTlsTransport(TlsMixin, LoopTransport):
    """Reads and writes a TLS socket in an event loop: no other thread touches it meanwhile."""


def transport_over(sock: Any, loop: asyncio.AbstractEventLoop, native: Any = None) -> LoopTransport:
    """Return the transport for a socket that nobody else reads or writes from now on."""
    kind = LoopTlsTransport if isinstance(sock, ssl.SSLSocket) else LoopTransport
    return kind(sock, loop, native)


class ThreadHangupWatch(HangupWatch):
    """Calls `on_hangup` once, in the I/O thread; made and closed by the thread of the request."""

    def __init__(self, sock: Any, io: IoRuntime, on_hangup: Callable[[], object]) -> None:
        self._io = io
        self._descriptor: int | None = None
        io.call_blocking(self._begin(sock, on_hangup))

    async def _begin(self, sock: Any, on_hangup: Callable[[], object]) -> None:
        super().__init__(sock, on_hangup)

    def _watch(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._io.loop.add_reader(descriptor, self._look)

    def _unwatch(self) -> None:
        if self._descriptor is not None:
            self._io.loop.remove_reader(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        """Watch no more; returns when the I/O thread has let go of the socket."""
        self._io.call_blocking(self._close())

    async def _close(self) -> None:
        super().close()
