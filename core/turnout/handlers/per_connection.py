"""A handler object for each session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from turnout.errors import UsageError
from turnout.handlers.base import WebSocketHandler

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.handlers.base import Result
    from turnout.messages import Message

__all__ = ["PerConnectionWebSocketHandler"]


class PerConnectionWebSocketHandler(WebSocketHandler):
    """Makes a handler for each session and lets go of it when the session is closed.

    `factory` is a `WebSocketHandler` class, or a callable without arguments together with the
    `prototype` class that it makes (whose colour and sub-protocols count).
    """

    def __init__(
        self,
        factory: Callable[[], WebSocketHandler],
        *,
        prototype: type[WebSocketHandler] | None = None,
    ) -> None:
        found = prototype or factory
        if not (isinstance(found, type) and issubclass(found, WebSocketHandler)):
            raise UsageError(
                "give PerConnectionWebSocketHandler a handler class, or prototype= beside a factory"
            )
        self._factory = factory
        self.prototype = found
        self.sub_protocols: Sequence[str] = found.sub_protocols
        self.allowed_origins: Sequence[str] = found.allowed_origins
        self.supports_partial_messages: bool = found.supports_partial_messages  # type: ignore[misc]  # per object here
        self._handlers: dict[str, WebSocketHandler] = {}

    def __len__(self) -> int:
        """Return how many sessions have a handler now."""
        return len(self._handlers)

    def __bool__(self) -> bool:
        return True

    def after_connection_established(self, session: Any) -> Result:
        """Make the session's handler and begin."""
        handler = self._handlers[session.id] = self._factory()
        return handler.after_connection_established(session)

    def handle_message(self, session: Any, message: Message) -> Result:
        """Pass the message on to the session's handler."""
        return self._of(session).handle_message(session, message)

    def handle_transport_error(self, session: Any, error: Exception) -> Result:
        """Pass the error on to the session's handler."""
        handler = self._handlers.get(session.id)
        return None if handler is None else handler.handle_transport_error(session, error)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> Result:
        """Let go of the session's handler, and end it."""
        handler = self._handlers.pop(session.id, None)
        return None if handler is None else handler.after_connection_closed(session, status)

    def _of(self, session: Any) -> WebSocketHandler:
        try:
            return self._handlers[session.id]
        except KeyError:
            raise UsageError(f"session {session.id} was never established here") from None
