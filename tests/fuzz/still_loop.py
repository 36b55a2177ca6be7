"""An event loop of asyncio without a clock, without I/O, that runs when it is told to."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

__all__ = ["StillLoop", "StillTransport"]


class _NothingReady(selectors.SelectSelector):
    """Never looks whether a file is ready."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []


class StillLoop(asyncio.SelectorEventLoop):
    """Time passes by `advance` only; what goes wrong in callbacks is kept in `errors`."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_NothingReady())
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self.now

    def turn(self, times: int = 1) -> None:
        """Run what is ready, and what that makes ready, at most so many times.

        To enter and leave the loop costs more than most turns: it is done once for all of them.
        """
        self.call_soon(self._count_down, times)
        self.run_forever()

    def _count_down(self, left: int) -> None:
        # What is ready in this turn has been before this callback, or has been added meanwhile.
        nothing_ready = not self._ready  # type: ignore[attr-defined]  # of BaseEventLoop
        if left == 1 or nothing_ready:
            self.stop()
        else:
            self.call_soon(self._count_down, left - 1)

    def advance(self, seconds: float) -> None:
        """Let time pass and run what is due then."""
        self.now += seconds
        self.turn(2)


class StillTransport(asyncio.Transport):
    """A connection on loopback whose peer reads everything; what was written is in `written`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 80)})
        self._loop = loop
        self._protocol: Any = protocol
        self._closing = False
        self._ended = False
        self.paused = False
        self.written = bytearray()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def receive(self, data: bytes) -> None:
        """Be the socket that has bytes to read."""
        if not self._closing:
            self._protocol.data_received(data)

    def end(self) -> None:
        """Be the socket at its end of stream."""
        if not self._closing and not self._protocol.eof_received():
            self.close()

    def write(self, data: Any) -> None:
        assert not self._ended, "written after write_eof"
        if not self._closing:
            self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._ended = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()
