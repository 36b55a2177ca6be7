"""Handlers around handlers: the same events, with something added."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from turnout.close import SERVER_ERROR
from turnout.drive import explain
from turnout.errors import ConnectionClosed, UsageError
from turnout.handlers.base import WebSocketHandler
from turnout.handlers.traits import CALLBACKS, AnyHandler
from turnout.session.blocking import BlockingSession

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.handlers.base import Result
    from turnout.messages import Message

__all__ = [
    "ExceptionWebSocketHandlerDecorator",
    "LoggingWebSocketHandlerDecorator",
    "WebSocketHandlerDecorator",
    "unwrap",
]

log: logging.Logger = logging.getLogger("turnout.handler")

RETURNED_AWAITABLE = (
    "a plain `def` handler returned an awaitable, which nothing awaits: make it `async def`, and a"
    " function that wraps one too"
)


class WebSocketHandlerDecorator(WebSocketHandler):
    """Base of decorators: passes everything on to `delegate`, of either shape and colour.

    Override what you add to, and return what the delegate's method returned (an awaitable, when it
    is `async def`). Methods that a subclass does not override cost nothing: they *are* the
    delegate's.
    """

    def __init__(self, delegate: AnyHandler) -> None:
        self.delegate = delegate
        self.sub_protocols: Sequence[str] = delegate.sub_protocols
        self.allowed_origins: Sequence[str] = delegate.allowed_origins
        for name in CALLBACKS:
            own = getattr(type(self), name, None)
            inherited = getattr(WebSocketHandlerDecorator, name, None)
            if own is inherited and hasattr(delegate, name):
                setattr(self, name, getattr(delegate, name))


def unwrap(handler: AnyHandler) -> AnyHandler:
    """Return the handler inside all its decorators."""
    while isinstance(handler, WebSocketHandlerDecorator):
        handler = handler.delegate
    return handler


class ExceptionWebSocketHandlerDecorator(WebSocketHandlerDecorator):
    """Closes the session with 1011 when the delegate raises; the traceback goes to the log.

    The peer learns nothing but the code. On by default, outermost.
    """

    def after_connection_established(self, session: Any) -> Result:
        """Guard the delegate's method."""
        return self._guard("after_connection_established", session)

    def handle_message(self, session: Any, message: Message) -> Result:
        """Guard the delegate's method."""
        try:
            result = self.delegate.handle_message(session, message)  # type: ignore[union-attr]  # a callback handler
        except Exception as error:
            return self._close_plain(session, error)
        return None if result is None else self._guard_result(session, result)

    def handle(self, session: Any) -> Result:
        """Guard the delegate's method."""
        return self._guard("handle", session)

    def handle_transport_error(self, session: Any, error: Exception) -> Result:
        """Guard the delegate's method."""
        return self._guard("handle_transport_error", session, error)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> Result:
        """Guard the delegate's method."""
        return self._guard("after_connection_closed", session, status)

    def _guard(self, name: str, session: Any, *arguments: Any) -> Result:
        try:
            result = getattr(self.delegate, name)(session, *arguments)
        except Exception as error:
            return self._close_plain(session, error)
        return None if result is None else self._guard_result(session, result)

    def _guard_result(self, session: Any, result: Awaitable[None]) -> Result:
        if not isinstance(session, BlockingSession):
            return self._guard_async(session, result)
        if not isinstance(result, Awaitable):  # as with threads, what is returned is of no use
            return None
        if isinstance(result, Coroutine):
            result.close()
        return self._close_plain(session, UsageError(RETURNED_AWAITABLE))

    async def _guard_async(self, session: Any, result: Awaitable[None]) -> None:
        try:
            await result
        except Exception as error:
            if self._log(session, error):
                await session.close(SERVER_ERROR.code)

    def _close_plain(self, session: Any, error: Exception) -> Result:
        if not self._log(session, error):
            return None
        if not isinstance(session, BlockingSession):
            return session.close(SERVER_ERROR.code)  # type: ignore[no-any-return]  # session is Any
        session.close(SERVER_ERROR.code)
        return None

    def _log(self, session: Any, error: Exception) -> bool:
        """Log an error of the handler; false for the mere end of its session."""
        if isinstance(error, ConnectionClosed) and not session.is_open:
            return False
        explained = explain(error)
        log.error(
            "the handler of session %s raised: closing with 1011", session.id, exc_info=explained
        )
        return True


class LoggingWebSocketHandlerDecorator(WebSocketHandlerDecorator):
    """Logs the end of each session, and the events of callback handlers, at debug level.

    On by default. Payloads are not logged. Messages are looked at only while the logger is enabled
    for debug when the handler is registered, so they cost nothing otherwise.
    """

    def __init__(self, delegate: AnyHandler) -> None:
        super().__init__(delegate)
        if not log.isEnabledFor(logging.DEBUG) and hasattr(delegate, "handle_message"):
            self.handle_message = delegate.handle_message  # type: ignore[method-assign]  # see above

    def after_connection_established(self, session: Any) -> Result:
        """Log the new session."""
        log.debug("session %s established", session.id)
        return self.delegate.after_connection_established(session)  # type: ignore[union-attr]  # a callback handler

    def handle_message(self, session: Any, message: Message) -> Result:
        """Log kind and size of the message."""
        log.debug("session %s received %r", session.id, message.kind)
        return self.delegate.handle_message(session, message)  # type: ignore[union-attr]  # a callback handler

    def handle_transport_error(self, session: Any, error: Exception) -> Result:
        """Log the error below."""
        log.debug("session %s failed below: %s", session.id, error)
        return self.delegate.handle_transport_error(session, error)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> Result:
        """Log the end."""
        log.debug("session %s closed: %s", session.id, status.code)
        return self.delegate.after_connection_closed(session, status)
