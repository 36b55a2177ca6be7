"""The life of a handler over one session: established, messages, closed exactly once.

Written once, as a coroutine. On asyncio it is awaited by the connection's task; on gevent and on
threads it is driven directly, where every wait blocks. A *face* is what the handler sees: the
session itself, or its blocking view.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol

from turnout.close import GOING_AWAY, NO_CLOSE_FRAME, NORMAL, SERVER_ERROR, CloseStatus
from turnout.drive import explain
from turnout.errors import ConnectionClosed
from turnout.runtime import settle

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.messages import Message
    from turnout.runtime import Waiter
    from turnout.session.inbox import Inbox
    from turnout.session.session import WebSocketSession

__all__ = ["Control", "Lifecycle", "SessionControl", "Stepper"]

log: logging.Logger = logging.getLogger("turnout.handler")


class Control(ABC):
    """What the life of a handler needs of its session, from wherever the handler runs."""

    __slots__ = ()

    @abstractmethod
    async def next(self) -> Message | None:
        """Return the next message; None when the connection has ended."""

    @abstractmethod
    async def close(self, status: CloseStatus) -> None:
        """Close, and return when the session is closed."""

    @abstractmethod
    async def wait_closed(self) -> CloseStatus:
        """Return how the session ended, when it has."""


class SessionControl(Control):
    """The control of a handler that runs in the session's own runtime."""

    __slots__ = ("_session",)

    def __init__(self, session: WebSocketSession) -> None:
        self._session = session

    async def next(self) -> Message | None:
        """Return the next message; None when the connection has ended."""
        return await self._session._inbox.next()

    async def close(self, status: CloseStatus) -> None:
        """Close, and return when the session is closed."""
        await self._session.close(status.code, status.reason)

    async def wait_closed(self) -> CloseStatus:
        """Return how the session ended, when it has."""
        return await self._session.wait_closed()


class Stepper(Protocol):
    """Runs a coroutine inside the connection's task up to its first suspension."""

    def step(self, awaitable: Awaitable[object]) -> Suspended | None:
        """Return it with what it suspended on, or None when it has ended; raise what it raised."""

    async def resume(self, awaitable: Awaitable[object], suspended_on: object) -> None:
        """Run the rest of it inside the connection's task, which awaits this."""

    @abstractmethod
    def stream(self, handling: Awaitable[object], inbox: Inbox) -> Awaitable[object]:
        """Return what runs a stream handler, inside the connection's task, which awaits this."""

    async def interrupt(
        self, awaitable: Awaitable[object], suspended_on: object, error: BaseException
    ) -> None:
        """Pass a cancellation that came meanwhile on to what suspended; raise it, unless caught."""


Suspended = tuple[Awaitable[object], object]


class Lifecycle:
    """One handler over one session, from established to closed."""

    __slots__ = (
        "_closed_token",
        "_control",
        "_face",
        "_handler",
        "_prepared",
        "_session",
        "_stepper",
    )

    def __init__(
        self,
        prepared: PreparedHandler,
        session: WebSocketSession,
        face: Any,
        control: Control,
        stepper: Stepper | None = None,
    ) -> None:
        self._prepared = prepared
        self._handler: Any = prepared.handler
        self._session = session
        self._face = face
        self._control = control
        self._stepper = stepper
        self._closed_token = [None]

    async def run(self) -> None:
        """Serve until the session is over, then tell the handler so; raises cancellation only.

        One coroutine, because an idle connection keeps the frame of each on the way.
        """
        try:
            if self._prepared.shape == "stream":
                await self._stream()
                await self._control.close(NORMAL)
            else:
                result = self._handler.after_connection_established(self._face)
                if result is not None:
                    await settle(result)
                await self._messages()
        except Exception as error:
            await self._raised(error)
        finally:
            self._session._closing.on_deadline(None)
            await self.finish()

    async def _raised(self, error: Exception) -> None:
        """Close for what the handler let through, unless that tells of this session's own end."""
        if self._session.is_open or not isinstance(error, ConnectionClosed):
            await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        log.error(
            "the handler of session %s raised; closing with 1011",
            self._session.id,
            exc_info=explain(error),
        )
        await self._control.close(SERVER_ERROR)

    async def finish(self) -> None:
        """Call `after_connection_closed` when the session is closed; once, whoever asks."""
        try:
            if self._session.is_open:  # the serving was cancelled
                await self._control.close(GOING_AWAY)
            elif self._session.state != "closed":
                await self._control.wait_closed()
        finally:
            if self._claim_closed():
                await self._tell_closed(self._session.close_status or NO_CLOSE_FRAME)

    def _claim_closed(self) -> bool:
        """Return true to the first caller only; `list.pop` is atomic on threads too."""
        try:
            self._closed_token.pop()
        except IndexError:
            return False
        return True

    async def _tell_closed(self, status: CloseStatus) -> None:
        try:
            error = self._session.transport_error
            if error is not None:
                await self._call("handle_transport_error", error)
        finally:  # whatever came meanwhile, a cancellation too
            await self._call("after_connection_closed", status)

    async def _call(self, callback: str, argument: object) -> None:
        try:
            result = getattr(self._handler, callback)(self._face, argument)
            if result is not None:
                await settle(result)
        except Exception:
            log.exception("%s of session %s raised", callback, self._session.id)

    async def _stream(self) -> None:
        handling = self._handler.handle(self._face)
        if self._stepper is None:
            await settle(handling)
        else:
            await self._stepper.stream(handling, self._session._inbox)

    # Messages of a callback handler

    def _messages(self) -> Awaitable[None]:
        if self._stepper is None:
            return self._each_message()
        return SteppedMessages(self._prepared, self._session, self._stepper).run()

    async def _each_message(self) -> None:
        handle = self._prepared.on_message
        awaits = self._prepared.colour == "async"  # what a plain callback returns is of no use
        while (message := await self._control.next()) is not None:
            result = handle(self._face, message)
            if awaits and result is not None:
                await result


class SteppedMessages:
    """Callbacks of an `async def` handler that run where the engine delivers the message.

    While nothing is waiting, the inbox hands each message over at once and the callback is stepped
    there, inside the connection's task and context. If it suspends, the connection's task takes
    coroutine and awaited object over; messages that come meanwhile wait in the inbox.
    """

    __slots__ = ("_error", "_handle", "_inbox", "_parked", "_pending", "_session", "_stepper")

    def __init__(
        self, prepared: PreparedHandler, session: WebSocketSession, stepper: Stepper
    ) -> None:
        self._handle = prepared.on_message
        self._session = session
        self._inbox: Inbox = session._inbox
        self._stepper = stepper
        self._pending: Suspended | None = None
        self._parked: Waiter | None = None
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Handle messages until the connection has ended."""
        inbox, session = self._inbox, self._session
        while True:
            while (message := inbox.take()) is not None:
                result = self._handle(session, message)
                if result is not None:
                    await result
            if inbox.ended:
                return
            self._parked = session._runtime.waiter()
            inbox.consumer = self._consume
            inbox.on_end = self._parked.wake
            try:
                await self._parked
            except BaseException as error:
                await self._interrupted(error)
            finally:
                inbox.consumer = inbox.on_end = None
            if self._error is not None:
                raise self._error
            pending = self._take_pending()
            if pending is not None:
                await self._stepper.resume(*pending)

    async def _interrupted(self, error: BaseException) -> None:
        pending = self._take_pending()
        if pending is None:
            raise error
        await self._stepper.interrupt(*pending, error)

    def _take_pending(self) -> Suspended | None:
        pending, self._pending = self._pending, None
        return pending

    def _consume(self, message: Message) -> None:
        # The callback may receive by itself, or make the engine deliver more: that has to wait.
        inbox = self._inbox
        consumer = inbox.consumer
        inbox.begin_answer()
        try:
            result = self._handle(self._session, message)
            if result is not None:
                self._pending = self._stepper.step(result)
            if self._pending is None and not inbox._messages:
                inbox.consumer = consumer
                return
        except BaseException as error:  # raised again by the connection's task, in _park
            self._error = error
        assert self._parked is not None
        self._parked.wake()
