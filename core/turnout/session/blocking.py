"""The session for plain `def` handlers: the same names, every call blocks until it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from turnout.errors import ConnectionClosed
from turnout.messages import Message

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.headers import Headers
    from turnout.http import Address, Principal
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import WebSocketExtension
    from turnout.protocol.prepared import PreparedMessage
    from turnout.runtime import Caller, Runtime
    from turnout.session.session import SessionState, WebSocketSession

__all__ = ["BlockingSendable", "BlockingSession", "check_iterable"]

BlockingSendable: TypeAlias = Message | str | bytes | bytearray | memoryview | Iterable[Any]


def check_iterable(messages: object) -> Iterable[Any]:
    """Return what `send` may take its messages from, or raise `TypeError`."""
    if isinstance(messages, Mapping):  # its keys, one by one, are never what was meant
        raise TypeError(f"send takes no {type(messages).__name__}; encode it: json.dumps(...)")
    if not isinstance(messages, Iterable):
        raise TypeError(
            f"send takes str, bytes, a Message or an iterable, not {type(messages).__name__}"
        )
    return messages


class BlockingSession:
    """A `WebSocketSession` for code that blocks; see there for what each member means.

    On asyncio engines it may be used from any thread but the event loop's; on gevent from any
    greenlet.
    """

    def __init__(
        self, session: WebSocketSession, runtime: Runtime, call: Caller | None = None
    ) -> None:
        self._session = session
        self._runtime = runtime
        self._call = call or runtime.call_blocking

    def __repr__(self) -> str:
        return repr(self._session).replace("WebSocketSession", type(self).__name__, 1)

    @property
    def id(self) -> str:
        """Unguessable and unique."""
        return self._session.id

    @property
    def attributes(self) -> dict[str, Any]:
        """The user's own data."""
        return self._session.attributes

    @property
    def uri(self) -> str:
        """The absolute URI of the handshake request."""
        return self._session.uri

    @property
    def path_variables(self) -> Mapping[str, str]:
        """The values of the path template's variables."""
        return self._session.path_variables

    @property
    def handshake_headers(self) -> Headers:
        """The header fields of the handshake request."""
        return self._session.handshake_headers

    @property
    def principal(self) -> Principal | None:
        """The user, as the handshake determined it."""
        return self._session.principal

    @property
    def accepted_protocol(self) -> str | None:
        """The sub-protocol in the client's spelling, or None."""
        return self._session.accepted_protocol

    @property
    def extensions(self) -> tuple[WebSocketExtension, ...]:
        """The extensions in use."""
        return self._session.extensions

    @property
    def options(self) -> WebSocketOptions:
        """The options in force."""
        return self._session.options

    @property
    def text_message_size_limit(self) -> int | None:
        """The largest text message that is accepted, in bytes."""
        return self._session.text_message_size_limit

    @property
    def binary_message_size_limit(self) -> int | None:
        """The largest binary message that is accepted, in bytes."""
        return self._session.binary_message_size_limit

    @property
    def local_address(self) -> Address | None:
        """This end of the connection."""
        return self._session.local_address

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return self._session.remote_address

    @property
    def native(self) -> Any:
        """The engine's own object for this connection."""
        return self._session.native

    @property
    def state(self) -> SessionState:
        """`open`, `closing` or `closed`."""
        return self._session.state

    @property
    def is_open(self) -> bool:
        """True while messages can be sent."""
        return self._session.is_open

    @property
    def close_status(self) -> CloseStatus | None:
        """How the connection ended, once it is closing."""
        return self._session.close_status

    @property
    def waiting_bytes(self) -> int:
        """How much is waiting to be sent."""
        return self._session.waiting_bytes

    @property
    def dropped_messages(self) -> int:
        """How many messages `Overflow.DROP` has dropped."""
        return self._session.dropped_messages

    @property
    def blocking(self) -> Self:
        """This view."""
        return self

    def send(self, message: BlockingSendable) -> None:
        """Send one message, or pull messages from an iterable as fast as the peer reads."""
        if isinstance(message, (Message, str, bytes, bytearray, memoryview)):
            self._send_one(message)
            return
        one: Any
        for one in check_iterable(message):
            self.send(one)

    def _send_one(self, message: Message | str | bytes | bytearray | memoryview) -> None:
        self._call(self._session.send(message))

    def send_text(self, text: str) -> None:
        """Send a text message."""
        self._call(self._session.send_text(text))

    def send_binary(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self._call(self._session.send_binary(data))

    def post(self, message: Message | PreparedMessage) -> None:
        """Send without waiting: what `broadcast` does."""
        self._runtime.call_inside(lambda: self._post_inside(message))

    def _post_inside(self, message: Message | PreparedMessage) -> None:
        with contextlib.suppress(ConnectionClosed):  # it ended after the caller had looked
            self._session.post(message)

    def receive(self) -> Message:
        """Return the next message, waiting for it; raise `ConnectionClosed` when none will come."""
        return self._call(self._session.receive())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        try:
            return self.receive()
        except ConnectionClosed:
            raise StopIteration from None

    def ping(self, payload: bytes | None = None) -> float:
        """Send a ping and wait for its pong; return the round trip in seconds."""
        return self._call(self._session.ping(payload))

    def pong(self, payload: bytes = b"") -> None:
        """Send an unsolicited pong."""
        self._call(self._session.pong(payload))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what is being sent; return when it is closed."""
        self._call(self._session.close(code, reason))

    def wait_closed(self) -> CloseStatus:
        """Return how the connection ended, when it has."""
        return self._call(self._session.wait_closed())
