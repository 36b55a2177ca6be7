"""Where a session meets its engine: the two halves of the contract of an adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.http.request import Address
    from turnout.messages import Message
    from turnout.protocol.prepared import PreparedMessage
    from turnout.session.session import WebSocketSession

__all__ = ["Connection"]


class Connection(ABC):
    """One WebSocket connection of an engine, after its 101 is on the wire.

    The session calls the methods below, one at a time and in order. The engine calls the
    session's `message_received`, `ping_received` (it answers pings itself), `pong_received`,
    `close_received`, `failed`, `connection_lost`, `pause_writing` and `resume_writing`, all of
    them inside the runtime of the session.
    """

    session: WebSocketSession
    heard: bool = False
    """Set by the engine whenever bytes arrive; cleared by the session, which asks for liveness."""
    native: Any = None
    local_address: Address | None = None
    remote_address: Address | None = None

    def start(self) -> None:
        """Begin to read; called once, when `session` is set."""

    @abstractmethod
    def send(self, message: Message) -> None:
        """Hand over one message: data, ping or pong.

        May call `session.pause_writing()` when the engine wants no more for now. Never suspends;
        on gevent it may block the calling greenlet only.
        """

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Hand over a message that many connections get; engines that frame it reuse its bytes."""
        self.send(prepared.message)

    @abstractmethod
    def send_close(self, status: CloseStatus) -> None:
        """Hand over the close frame; no `send` follows. 1005 stands for a frame without a code."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Deliver no more data messages until `resume_reading`; the peer is held back."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Deliver messages again."""

    @abstractmethod
    def close(self) -> None:
        """End the connection below the WebSocket, once what was handed over has been written."""

    @abstractmethod
    def abort(self) -> None:
        """Cut the connection now; what was not written is lost."""

    def release(self) -> None:
        """Forget the session, which is over, and of which the engine has told the end.

        Each holds the other. Where this is not done, the garbage collector has to find them.
        """
