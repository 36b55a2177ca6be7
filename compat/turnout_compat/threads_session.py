"""The session on threaded servers: it lives in the I/O thread and may be used from any."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from turnout.errors import ConnectionClosed
from turnout.messages import Message
from turnout.session.session import WebSocketSession

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.protocol.prepared import PreparedMessage
    from turnout.session.blocking import BlockingSendable
    from turnout.session.outbox import Waiting
    from turnout.session.session import Sendable
    from turnout_compat.threads_io import IoRuntime

__all__ = ["ThreadedSession"]

ONE_MESSAGE = (Message, str, bytes, bytearray, memoryview)


class ThreadedSession(WebSocketSession):
    """A session whose awaitables block the thread that drives them.

    In the I/O thread, where handlers with `async_runtime="asyncio"` run, they suspend the task.
    """

    @property
    def _is_inside(self) -> bool:
        return cast("IoRuntime", self._runtime).is_inside

    async def send(self, message: Sendable) -> None:
        """Send one message, or pull messages from an iterable as fast as the peer reads."""
        if self._is_inside or not isinstance(message, ONE_MESSAGE):
            await super().send(message)  # which sends each of many by this method
        else:
            self.blocking.send(cast("BlockingSendable", message))

    async def send_text(self, text: str) -> None:
        """Send a text message."""
        if self._is_inside:
            await super().send_text(text)
        else:
            self.blocking.send_text(text)

    async def send_binary(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        if self._is_inside:
            await super().send_binary(data)
        else:
            self.blocking.send_binary(data)

    def post(self, message: Message | PreparedMessage) -> Waiting | None:
        """Send without waiting."""
        if self._is_inside:
            return super().post(message)
        self.blocking.post(message)
        return None

    async def receive(self) -> Message:
        """Return the next message, waiting for it; raise `ConnectionClosed` when none will come."""
        return await super().receive() if self._is_inside else self.blocking.receive()

    async def __anext__(self) -> Message:
        if self._is_inside:
            return await super().__anext__()
        try:
            return self.blocking.receive()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def ping(self, payload: bytes | None = None) -> float:
        """Send a ping and wait for its pong; return the round trip in seconds."""
        return await super().ping(payload) if self._is_inside else self.blocking.ping(payload)

    async def pong(self, payload: bytes = b"") -> None:
        """Send an unsolicited pong."""
        if self._is_inside:
            await super().pong(payload)
        else:
            self.blocking.pong(payload)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what is being sent; return when it is closed."""
        if self._is_inside:
            await super().close(code, reason)
        else:
            self.blocking.close(code, reason)

    async def wait_closed(self) -> CloseStatus:
        """Return how the connection ended, when it has."""
        return await super().wait_closed() if self._is_inside else self.blocking.wait_closed()
