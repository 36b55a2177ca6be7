"""The session: one WebSocket connection as a handler sees it, the same on every engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from turnout.close import CloseStatus
from turnout.errors import UsageError
from turnout.messages import (
    BinaryMessage,
    Message,
    PingMessage,
    PongMessage,
    TextMessage,
    whole_text,
)
from turnout.session.blocking import BlockingSession, check_iterable
from turnout.session.closing import Closing
from turnout.session.inbox import Inbox, RuntimeInbox
from turnout.session.keepalive import IdleWatch, Keepalive, Pings
from turnout.session.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from turnout.errors import ConnectionClosed, ProtocolError
    from turnout.headers import Headers
    from turnout.http import Address, Principal
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import WebSocketExtension
    from turnout.protocol.prepared import PreparedMessage
    from turnout.runtime import Runtime
    from turnout.session.connection import Connection
    from turnout.session.outbox import Waiting
    from turnout.strategy import Upgrade

__all__ = ["Sendable", "SessionState", "WebSocketSession"]

SessionState: TypeAlias = Literal["open", "closing", "closed"]
Sendable: TypeAlias = (
    Message | str | bytes | bytearray | memoryview | AsyncIterable[Any] | Iterable[Any]
)


class WebSocketSession:
    """One open WebSocket connection.

    Sends are ordered and never interleave, whoever calls them. Everything here is used inside the
    session's runtime; `blocking` is the view for plain code. Once the connection has ended, every
    call raises `ConnectionClosed`, except `close`, which may be repeated.
    """

    def __init__(
        self, session_id: str, upgrade: Upgrade, connection: Connection, runtime: Runtime
    ) -> None:
        self.id = session_id
        """Unguessable and unique; safe to hand out as an address, not as a secret."""
        self.attributes: dict[str, Any] = upgrade.attributes
        """The user's own data; begins with what interceptors put there."""
        self._upgrade = upgrade
        self._connection = connection
        self._runtime = runtime
        self._inbox: Inbox = RuntimeInbox(connection, upgrade.options.receive_buffer, runtime)
        self._outbox = Outbox(connection, runtime, upgrade.options, self._overflowed)
        self._closing = Closing(self, connection, runtime, upgrade.options.close_timeout)
        self._pings = Pings(connection, runtime)
        self._keepalive = Keepalive(self, connection, runtime, upgrade.options)
        self._idle = IdleWatch(self, runtime, upgrade.options)
        self._sees_pings = upgrade.handler.pings
        self._sees_pongs = upgrade.handler.pongs
        self._blocking: BlockingSession | None = None
        self.transport_error: Exception | None = None
        """What went wrong below the WebSocket, or the peer's violation of the protocol."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state}>"

    # What the handshake decided

    @property
    def uri(self) -> str:
        """The absolute URI of the handshake request; it may hold tokens: do not log it."""
        return self._upgrade.uri

    @property
    def path_variables(self) -> Mapping[str, str]:
        """The values of the path template's variables."""
        return self._upgrade.path_variables

    @property
    def handshake_headers(self) -> Headers:
        """The header fields of the handshake request, which outlive it."""
        return self._upgrade.headers

    @property
    def principal(self) -> Principal | None:
        """The user, as the handshake determined it."""
        return self._upgrade.principal

    @property
    def accepted_protocol(self) -> str | None:
        """The sub-protocol in the client's spelling, or None."""
        return self._upgrade.sub_protocol

    @property
    def extensions(self) -> tuple[WebSocketExtension, ...]:
        """The extensions in use."""
        return self._upgrade.extensions

    @property
    def options(self) -> WebSocketOptions:
        """The options in force."""
        return self._upgrade.options

    @property
    def text_message_size_limit(self) -> int | None:
        """The largest text message that is accepted, in bytes."""
        return self._upgrade.options.max_text_size

    @property
    def binary_message_size_limit(self) -> int | None:
        """The largest binary message that is accepted, in bytes."""
        return self._upgrade.options.max_binary_size

    @property
    def local_address(self) -> Address | None:
        """This end of the connection."""
        return self._connection.local_address

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket (a proxy, where there is one)."""
        return self._connection.remote_address

    @property
    def native(self) -> Any:
        """The engine's own object for this connection."""
        return self._connection.native

    # State

    @property
    def state(self) -> SessionState:
        """`open`, `closing` from the first close frame on, `closed` when nothing follows."""
        return self._closing.state

    @property
    def is_open(self) -> bool:
        """True while messages can be sent."""
        return self._closing.state == "open"

    @property
    def close_status(self) -> CloseStatus | None:
        """How the connection ended, once it is closing."""
        return self._closing.status

    @property
    def waiting_bytes(self) -> int:
        """How much is waiting to be sent because the peer reads slowly."""
        return self._outbox.waiting_bytes

    @property
    def dropped_messages(self) -> int:
        """How many messages `Overflow.DROP` has dropped."""
        return self._outbox.dropped

    @property
    def blocking(self) -> BlockingSession:
        """The same session for plain code: every call blocks until it is done."""
        if self._blocking is None:
            self._blocking = BlockingSession(self, self._runtime)
        return self._blocking

    # Sending

    async def send(self, message: Sendable) -> None:
        """Send one message, or pull messages from an iterable as fast as the peer reads.

        `str` is sent as text, bytes as binary, a `Message` as it is; an iterable or async
        iterable of these is sent one by one, and an async generator closed then. Returns when the
        engine has taken the message; waits while the peer is slow. Raises `ConnectionClosed`.
        """
        if not isinstance(message, Message):
            if isinstance(message, str):
                message = whole_text(message)
            elif isinstance(message, (bytes, bytearray, memoryview)):
                message = BinaryMessage(message)
            else:
                await self._send_each(message)
                return
        self._idle.active = True
        waiting = self._outbox.post(message)
        if waiting is not None:
            await waiting.wait(self._runtime)

    async def send_text(self, text: str) -> None:
        """Send a text message; see `send`."""
        self._idle.active = True
        await self._outbox.send(TextMessage(text))

    async def send_binary(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message; see `send`."""
        self._idle.active = True
        await self._outbox.send(BinaryMessage(data))

    async def _send_each(self, messages: AsyncIterable[Any] | Iterable[Any]) -> None:
        if isinstance(messages, AsyncIterable):
            try:
                async for message in messages:
                    await self.send(message)
            finally:
                if isinstance(messages, AsyncGenerator):  # what it holds is given back now
                    await messages.aclose()
            return
        for message in check_iterable(messages):
            await self.send(message)

    def post(self, message: Message | PreparedMessage) -> Waiting | None:
        """Send without waiting: what `broadcast` does; see there."""
        self._idle.active = True
        return self._outbox.post(message)

    # Receiving

    async def receive(self) -> Message:
        """Return the next message, waiting for it; raise `ConnectionClosed` when none will come."""
        message = self._inbox.take() or await self._inbox.next()
        if message is None:
            raise self._closing.error()
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        message = self._inbox.take() or await self._inbox.next()
        if message is None:
            raise StopAsyncIteration
        return message

    # Control frames

    async def ping(self, payload: bytes | None = None) -> float:
        """Send a ping and wait for its pong; return the round trip in seconds.

        Raises `ConnectionClosed` when the connection ends first, and `UsageError` for a payload
        whose pong is still awaited, or where the engine measures none; the default payload is a
        random one.
        """
        self._require("ping_round_trip")
        message, pending = self._pings.begin(payload)
        try:
            await self._outbox.send(message)
            return await self._pings.finish(pending, self._closing.error)
        finally:
            self._pings.forget(pending)

    async def pong(self, payload: bytes = b"") -> None:
        """Send an unsolicited pong, a heartbeat that needs no answer (RFC 6455 section 5.5.3).

        Raises `UsageError` where the engine leaves control frames to nobody.
        """
        self._require("control_frames")
        await self._outbox.send(PongMessage(payload))

    def _require(self, capability: str) -> None:
        strategy = self._upgrade.service.strategy
        if self.is_open and not strategy.capabilities.has(capability):
            raise UsageError(f"the engine {strategy.name!r} declares {capability} away")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what is being sent; return when it is closed.

        Waits for the peer's close frame at most `close_timeout` seconds. Closing twice is
        harmless. Raises `InvalidCloseError`, with nothing sent, for a code or a reason that may
        not be sent.
        """
        self._closing.begin(CloseStatus(code, reason).check_sendable())
        await self._closing.wait()

    async def wait_closed(self) -> CloseStatus:
        """Return how the connection ended, when it has."""
        await self._closing.wait()
        assert self._closing.status is not None
        return self._closing.status

    # What the host and the engine call

    @property
    def connection(self) -> Connection:
        """The engine's side."""
        return self._connection

    @property
    def runtime(self) -> Runtime:
        """Where it lives."""
        return self._runtime

    def use(self, inbox: Inbox, blocking: BlockingSession) -> None:
        """Take what a host has prepared for its handlers; before `start`."""
        if self._inbox.ended:  # the server shuts down, and the session was closed from the first
            inbox.end()
        self._inbox = inbox
        self._blocking = blocking

    def on_deadline(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` if the handler still runs when `close_timeout` has passed."""
        self._closing.on_deadline(callback)

    def begin_close(self, status: CloseStatus) -> None:
        """Begin to close, without waiting for the end."""
        self._closing.begin(status)

    def finished(self) -> None:
        """Note that session and handler are over."""
        self._closing.finished()

    def release(self) -> None:
        """Let go of what refers back: nothing will call it, and no garbage is left to be found."""
        self._closing.release()
        self._keepalive.release()
        self._idle.release()
        self._outbox.release()
        self._connection.release()

    def closed_error(self) -> ConnectionClosed | None:
        """Return what a call raises now, or None while the session is open."""
        return None if self._closing.state == "open" else self._closing.error()

    def start(self) -> None:
        """Begin to read and to watch; called once, when the handler is ready."""
        self._connection.start()
        if self.is_open:
            self._keepalive.start()
            self._idle.start()

    def message_received(self, message: Message) -> None:
        """Take a data message."""
        if self._closing.state == "open":
            self._keepalive.heard = self._idle.active = True
            (self._inbox.consumer or self._inbox.put)(message)

    def ping_received(self, message: PingMessage) -> None:
        """Take a ping that the engine has answered."""
        self._keepalive.heard = True
        if self._sees_pings and self.is_open:
            self._inbox.put(message)

    def pong_received(self, message: PongMessage) -> None:
        """Take a pong."""
        self._keepalive.heard = True
        self._pings.received(message.payload)
        if self._sees_pongs and self.is_open:
            self._inbox.put(message)

    def close_received(self, status: CloseStatus) -> None:
        """Take the peer's close frame."""
        self._closing.received(status)

    def failed(self, status: CloseStatus, error: ProtocolError) -> None:
        """Fail the connection for what the peer did."""
        self.transport_error = error
        self._closing.fail(status)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the engine's connection is gone."""
        if self.transport_error is None:
            self.transport_error = error
        self._closing.lost()

    def pause_writing(self) -> None:
        """Keep messages back until `resume_writing`."""
        self._outbox.pause()

    def resume_writing(self) -> None:
        """Hand over what waits."""
        self._outbox.resume()

    def _overflowed(self) -> None:
        self._closing.overflow()
