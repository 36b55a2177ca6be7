"""The byte transport over a connected gevent socket; everything happens in the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from turnout_compat.socket_transport import CHUNK, READ, WRITE, SocketTransport, address_of

if TYPE_CHECKING:
    from gevent._types import _IoWatcher

    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["CHUNK", "READ", "WRITE", "GeventTransport", "address_of"]

_Watch: TypeAlias = "tuple[int, _IoWatcher]"
"""What a watcher waits for, and the watcher."""


class GeventTransport(SocketTransport):
    """Reads and writes a socket in the hub; `write` may be called in any greenlet of the hub."""

    def __init__(self, sock: Any, runtime: GeventRuntime, native: Any = None) -> None:
        super().__init__(sock, native)
        self._runtime = runtime
        self._loop = runtime.hub.loop
        self._reader: _Watch | None = None
        self._writer: _Watch | None = None

    def _watch_input(self, events: int) -> None:
        self._reader = self._watch(self._reader, events, self._readable)

    def _watch_output(self, events: int) -> None:
        self._writer = self._watch(self._writer, events, self._flush)

    def _watch(
        self, watch: _Watch | None, events: int, callback: Callable[[], None]
    ) -> _Watch | None:
        if watch is not None:
            if watch[0] == events:
                return watch
            watch[1].stop()
            watch[1].close()
        if not events:
            return None
        watcher = self._loop.io(self._socket.fileno(), events)
        watcher.start(callback)
        return events, watcher

    def _call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        self._loop.run_callback(callback, *arguments)

    def _call_in_turn(self, callback: Callable[[], object]) -> None:
        self._runtime.call_later(0, callback)

    def _readable(self) -> None:
        self._runtime.slice.renew()
        super()._readable()
