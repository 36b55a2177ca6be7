"""Callback handlers: one object for many sessions, one method per event.

Write all methods of a class `async def`, or all of them plain `def`; a plain one gets the blocking
view of the session. Methods that are not overridden do nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from turnout.close import NOT_ACCEPTABLE
from turnout.messages import BinaryMessage, PingMessage, PongMessage, TextMessage

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.messages import Message

__all__ = [
    "BinaryWebSocketHandler",
    "Result",
    "StreamWebSocketHandler",
    "SubProtocolCapable",
    "TextWebSocketHandler",
    "WebSocketHandler",
]

Result: TypeAlias = Awaitable[None] | None
"""What a callback returns: nothing, or an awaitable when it is `async def`."""


class SubProtocolCapable:
    """Something that speaks sub-protocols, besides those of the handshake handler."""

    sub_protocols: Sequence[str] = ()


class WebSocketHandler(SubProtocolCapable):
    """Base of callback handlers: established, messages in order one at a time, closed once.

    `handle_message` dispatches by kind; override it to take them all. An exception closes the
    session with 1011 after the traceback was logged.
    """

    supports_partial_messages: ClassVar[bool] = False
    """True to get pieces of fragmented messages as they arrive (`is_first`, `is_last`)."""
    allowed_origins: Sequence[str] = ()
    """Origins that this handler accepts besides those of its registration."""

    def after_connection_established(self, session: Any) -> Result:
        """Begin; the session can be used."""

    def handle_message(self, session: Any, message: Message) -> Result:
        """Handle one message: text, binary, and pings and pongs for who overrides their methods."""
        kind = type(message)
        if kind is TextMessage:
            return self.handle_text_message(session, message)  # type: ignore[arg-type]  # by kind
        if kind is BinaryMessage:
            return self.handle_binary_message(session, message)  # type: ignore[arg-type]  # by kind
        if kind is PongMessage:
            return self.handle_pong_message(session, message)  # type: ignore[arg-type]  # by kind
        return self.handle_ping_message(session, message)  # type: ignore[arg-type]  # by kind

    def handle_text_message(self, session: Any, message: TextMessage) -> Result:
        """Handle a text message."""

    def handle_binary_message(self, session: Any, message: BinaryMessage) -> Result:
        """Handle a binary message."""

    def handle_ping_message(self, session: Any, message: PingMessage) -> Result:
        """See a ping; it has been answered."""

    def handle_pong_message(self, session: Any, message: PongMessage) -> Result:
        """See a pong."""

    def handle_transport_error(self, session: Any, error: Exception) -> Result:
        """See what went wrong below; the session is closed, `after_connection_closed` follows."""

    def after_connection_closed(self, session: Any, status: CloseStatus) -> Result:
        """End; called exactly once for each session that was established or failed to be."""


async def _refuse(session: Any, reason: str) -> None:
    await session.close(NOT_ACCEPTABLE.code, reason)


def _not_acceptable(handler: WebSocketHandler, session: Any, reason: str) -> Result:
    """Close with 1003, in the colour of the session that the handler was given."""
    from turnout.session.blocking import BlockingSession

    if isinstance(session, BlockingSession):
        session.close(NOT_ACCEPTABLE.code, reason)
        return None
    return _refuse(session, reason)


class TextWebSocketHandler(WebSocketHandler):
    """A handler of text messages; a binary one closes the session with 1003."""

    def handle_binary_message(self, session: Any, message: BinaryMessage) -> Result:
        """Refuse a binary message."""
        return _not_acceptable(self, session, "Binary messages not supported")


class BinaryWebSocketHandler(WebSocketHandler):
    """A handler of binary messages; a text one closes the session with 1003."""

    def handle_text_message(self, session: Any, message: TextMessage) -> Result:
        """Refuse a text message."""
        return _not_acceptable(self, session, "Text messages not supported")


class StreamWebSocketHandler(SubProtocolCapable):
    """A handler that takes its messages from the session: returning closes it with 1000."""

    supports_partial_messages: ClassVar[bool] = False
    receives_control_frames: ClassVar[bool] = False
    """True to see pings and pongs between the messages."""
    allowed_origins: Sequence[str] = ()

    def handle(self, session: Any) -> Result:
        """Serve the whole session."""
        raise NotImplementedError(f"{type(self).__name__} needs a handle(session) method")

    def handle_transport_error(self, session: Any, error: Exception) -> Result:
        """See what went wrong below; the session is closed."""

    def after_connection_closed(self, session: Any, status: CloseStatus) -> Result:
        """End; called exactly once, after `handle` has returned."""
