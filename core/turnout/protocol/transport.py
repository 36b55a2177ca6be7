"""What the standard driver needs of a byte stream: asyncio's vocabulary, without asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from turnout.http.request import Address

__all__ = ["Transport", "TransportProtocol"]


class TransportProtocol(Protocol):
    """What a transport calls, inside the runtime."""

    def data_received(self, data: bytes) -> None:
        """Take bytes that the peer sent."""

    def eof_received(self) -> object:
        """Note that the peer sends no more."""

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is gone; called exactly once, the last call."""

    def pause_writing(self) -> None:
        """Note that the transport holds more than its high-water mark."""

    def resume_writing(self) -> None:
        """Note that it has drained below its low-water mark."""


class Transport(ABC):
    """A connected byte stream of some runtime."""

    half_closes: bool = True
    """Whether it can still send once the peer has ended its direction; TLS of asyncio cannot."""
    native: Any = None
    local_address: Address | None = None
    remote_address: Address | None = None

    @abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, in order; buffers what the socket does not take and never suspends."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Stop calling `data_received`, so that the peer is held back by TCP."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Call `data_received` again."""

    @abstractmethod
    def write_eof(self) -> None:
        """Send no more once the buffer is written; reading goes on (harmless where impossible)."""

    @abstractmethod
    def close(self) -> None:
        """Write what is buffered, then end; `connection_lost` follows."""

    @abstractmethod
    def abort(self) -> None:
        """End now; `connection_lost` follows."""
