"""The in-memory engine: a whole strategy without sockets, for tests of handlers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from turnout.capabilities import Capabilities
from turnout.close import NO_STATUS_CODE, TOO_BIG_TO_PROCESS, CloseStatus
from turnout.errors import ConnectionClosed, MessageTooBigError, UsageError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol.limits import SizeLimits, too_big
from turnout.session.connection import Connection
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout.testing.memory_http import CLIENT, SERVER, MemoryResponse

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.http.request import Address
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["MemoryConnection", "MemoryStrategy"]

WINDOW = 64 * 1024
"""Bytes that the client has not received before the session is told to wait, as sockets would."""


class MemoryConnection(Connection):
    """The engine's side of a client in the same event loop.

    What the client does takes effect in a callback of the loop, never inside the client's own
    task: as with a socket.
    """

    local_address: Address | None = SERVER
    remote_address: Address | None = CLIENT

    def __init__(self, upgrade: Upgrade, begun: asyncio.Event) -> None:
        self.native = self
        self.sub_protocol: str | None = upgrade.sub_protocol
        self.status: CloseStatus | None = None
        self._loop = asyncio.get_running_loop()
        self._incoming = Incoming(SizeLimits(upgrade.options, upgrade.handler.partial), upgrade)
        self._received: deque[Message] = deque()
        self._size = 0
        self._writing_paused = False
        self._arrived = asyncio.Event()
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._lost = False
        self._begun = begun

    # What the session calls

    def start(self) -> None:
        """Begin."""
        self._begun.set()

    def send(self, message: Message) -> None:
        """Keep a message for the client; answer a ping."""
        if isinstance(message, PingMessage):
            self._soon(lambda: self.session.pong_received(PongMessage(message.payload)))
        self._received.append(message)
        self._size += len(message.payload)
        self._arrived.set()
        if self._size > WINDOW and not self._writing_paused:
            self._writing_paused = True
            self.session.pause_writing()

    def send_close(self, status: CloseStatus) -> None:
        """Keep the close for the client, which answers it."""
        if self.status is None:
            self.status = status
            self._soon(lambda: self.session.close_received(status))
        self._arrived.set()

    def pause_reading(self) -> None:
        """Let the client's `send` wait."""
        self._may_send.clear()

    def resume_reading(self) -> None:
        """Let the client's `send` go on."""
        self._may_send.set()

    def close(self) -> None:
        """End the connection."""
        self.lose(None)

    def abort(self) -> None:
        """End the connection."""
        self.lose(None)

    # What the client calls

    async def deliver(self, message: Message) -> None:
        """Give a message to the session; wait while the session takes none."""
        await self._may_send.wait()
        if self.status is not None or self._lost:
            raise ConnectionClosed(self.status or NO_STATUS_CODE)
        given = self._loop.create_future()
        self._soon(lambda: self._give(message, given))
        await given

    async def take(self) -> Message | None:
        """Return the next message for the client; None when the connection has ended."""
        while not self._received:
            if self.status is not None or self._lost:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        message = self._received.popleft()
        self._size -= len(message.payload)
        if self._writing_paused and self._size * 2 <= WINDOW:
            self._writing_paused = False
            self._soon(self.session.resume_writing)
        return message

    def close_by_client(self, status: CloseStatus) -> None:
        """Send the client's close frame."""
        if self.status is None and not self._lost:
            self.status = status
            self._soon(lambda: self.session.close_received(status))

    def lose(self, error: Exception | None) -> None:
        """End the connection below the WebSocket, once."""
        if not self._lost:
            self._lost = True
            self._may_send.set()
            self._arrived.set()
            self._loop.call_soon(self.session.connection_lost, error)

    def _soon(self, callback: Callable[[], object]) -> None:
        self._loop.call_soon(lambda: None if self._lost else callback())

    def _give(self, message: Message, given: asyncio.Future[None]) -> None:
        given.set_result(None)
        self.heard = True
        if isinstance(message, PingMessage):
            self._received.append(PongMessage(message.payload))
            self._arrived.set()
            self.session.ping_received(message)
        elif isinstance(message, PongMessage):
            self.session.pong_received(message)
        else:
            self._give_data(message)

    def _give_data(self, message: Message) -> None:
        try:
            whole = self._incoming.take(message)
        except MessageTooBigError as error:
            self.session.failed(TOO_BIG_TO_PROCESS, error)
        else:
            if whole is not None:
                self.session.message_received(whole)


class Incoming:
    """Joins the client's pieces for handlers that want whole messages, within the limits."""

    def __init__(self, limits: SizeLimits, upgrade: Upgrade) -> None:
        self._limits = limits
        self._partial = upgrade.handler.partial
        self._pieces: list[str] | list[bytes] = []
        self._size = 0

    def take(self, message: Message) -> Message | None:
        """Return what the session gets; raise `MessageTooBigError` past a limit."""
        is_text = isinstance(message, TextMessage)
        if message.is_first:
            self._pieces, self._size = [], 0
        size = len(message.payload.encode() if is_text else message.payload)
        if size > self._limits.left(is_text, self._size):
            raise too_big(size, self._limits.left(is_text, self._size))
        self._size += size
        if self._partial or message.is_whole:
            return message
        self._pieces.append(message.payload)
        if not message.is_last:
            return None
        return join_payloads(type(message), self._pieces)


def join_payloads(kind: type[Message], payloads: list[Any]) -> Message:
    """Return one message made of the payloads of its pieces."""
    if kind is TextMessage:
        return TextMessage("".join(payloads))
    return BinaryMessage(b"".join(payloads))


class MemoryStrategy(RequestUpgradeStrategy):
    """Upgrades to a `MemoryConnection`; it has no server."""

    name: ClassVar[str] = "memory"
    runtime: ClassVar[str] = "asyncio"
    capabilities: ClassVar[Capabilities] = Capabilities()

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Connect the client that waits for this response, and run the session."""
        if not isinstance(response, MemoryResponse):
            raise TypeError("the in-memory engine upgrades its own requests only")
        connection = response.connection = MemoryConnection(upgrade, response.begun)
        response.accept(upgrade.response_headers)
        await upgrade.run(connection)

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Refuse: there is nothing to listen on."""
        raise UsageError("the in-memory engine has no server: use turnout.testing.connect")
