"""Where handlers run on gevent: in the greenlet of their connection, or in a task beside it."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

import gevent
from greenlet import getcurrent

from turnout.close import NORMAL
from turnout.drive import drive
from turnout.errors import UsageError
from turnout.runtime import Host, set_current_caller, settle
from turnout.session.inbox import Inbox
from turnout.session.lifecycle import Lifecycle, SessionControl
from turnout_compat.gevent_connection import GeventConnection

if TYPE_CHECKING:
    from greenlet import greenlet

    from turnout.handlers.traits import PreparedHandler
    from turnout.messages import Message
    from turnout.session.connection import Connection
    from turnout.session.session import WebSocketSession
    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["EventLoopHost", "GeventInbox", "GreenletHost"]

log = logging.getLogger("turnout.handler")


class Overdue(gevent.GreenletExit):
    """Ends the serving of a handler that has outlived its session by `close_timeout`."""


class GreenletHost(Host):
    """Runs handlers of both colours in the greenlet that serves the connection.

    An `async def` handler is driven there: what it awaits of turnout blocks this greenlet only.
    """

    def __init__(self, runtime: GeventRuntime) -> None:
        self._runtime = runtime

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life in the calling greenlet."""
        self.block(session, prepared)

    def block(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life in the calling greenlet."""
        runtime = self._runtime
        limit = session.options.receive_buffer
        session.use(GeventInbox(session.connection, limit, runtime), session.blocking)
        set_current_caller(runtime.call_blocking)
        face = session if prepared.colour == "async" else session.blocking
        life = GeventLifecycle(prepared, session, face, SessionControl(session))
        serving = getcurrent()
        session.on_deadline(lambda: _interrupt(serving))
        session.start()
        try:
            life.live()
        except Overdue:
            log.warning("the handler of session %s was killed: close_timeout", session.id)


def _interrupt(serving: greenlet) -> None:
    # Called by a timer, so in the hub: the greenlet is waiting, and nothing comes between.
    if not serving.dead:
        serving.throw(Overdue)


class GeventLifecycle(Lifecycle):
    """A lifecycle of plain calls, but for what the handler itself awaits.

    Each coroutine on the way is C stack, which the greenlet keeps while it waits, and which every
    switch copies. A `gevent.Timeout` that the handler lets through, which is no `Exception`, closes
    with 1011 too.
    """

    __slots__ = ()

    def live(self) -> None:
        """Do what `run` does."""
        try:
            self._serve()
        finally:
            self._session._closing.on_deadline(None)  # noqa: SLF001  # a part of it, as in core
            drive(self.finish())

    def _serve(self) -> None:
        try:
            self._handle()
        except Exception as error:
            drive(self._raised(error))
        except gevent.Timeout as timeout:
            failure = TimeoutError(f"{timeout} left the handler")
            failure.__cause__ = timeout
            drive(self._failed(failure))

    def _handle(self) -> None:
        if self._prepared.shape == "stream":
            _drive_result(self._handler.handle(self._face))
            drive(self._control.close(NORMAL))
        else:
            _drive_result(self._handler.after_connection_established(self._face))
            drive(self._messages())

    async def _messages(self) -> None:
        # Waits in a plain call: each coroutine on the way is C stack that every switch copies.
        wait = cast("GeventInbox", self._session._inbox).wait  # noqa: SLF001  # a part of it, as in core
        handle, face = self._prepared.on_message, self._face
        while (message := wait()) is not None:
            result = handle(face, message)
            if result is not None:
                await result


def _drive_result(result: Any) -> None:
    """Run what a handler has returned, if it is there to be awaited."""
    if isinstance(result, Coroutine):
        drive(result)
    elif result is not None:
        drive(settle(result))


class GeventInbox(Inbox):
    """An inbox that hands a message over inside the hub's turn, and ends a turn that takes long.

    A message that arrives while the handler waits for it goes there by the switch itself, and is
    handled before the next is decoded: what the handler sends then leaves in one write. Back for
    more, the handler takes what came by the same read without a switch. After a time slice the
    connection rests for a turn of the hub, and so does a handler that finds message after message.
    """

    __slots__ = ("_hub", "_runtime", "_standard", "_taken_over", "_turn", "_waiting")

    def __init__(self, connection: Connection, limit: int | None, runtime: GeventRuntime) -> None:
        super().__init__(connection, limit)
        self._runtime = runtime
        self._hub = runtime.hub
        self._turn = runtime.slice
        self._waiting: greenlet | None = None
        self._standard = connection if isinstance(connection, GeventConnection) else None
        self._taken_over: GeventConnection | None = None

    def put(self, message: Message) -> None:
        """Add one message, and let others have their turn if this connection's is over."""
        waiting = self._waiting
        if waiting is not None and not self._messages and getcurrent() is self._hub:
            self._waiting = None
            self._all_answered = False
            self._taken_over = self._standard
            waiting.switch(message)
            self._taken_over = None
        else:
            super().put(message)
        if self._turn.is_over and not self.paused:
            self._connection.pause_reading()
            self._runtime.call_later(0, self._go_on)

    def take(self) -> Message | None:
        """Return the oldest message, after giving way if this handler's turn is over."""
        if self._messages and self._turn.is_over:
            drive(self._runtime.checkpoint())
        return super().take()

    async def next(self) -> Message | None:
        """Return the oldest message, waiting for one; None when the connection has ended."""
        return self.wait()

    def wait(self) -> Message | None:
        """Do what `next` does, blocking the greenlet."""
        message = self.take() if self._messages else self._take_over()
        while message is None and not self.ended:
            message = self._switch() or self.take()
        return message

    def _take_over(self) -> Message | None:
        """Return the next message of those that the hub is delivering, if there is one."""
        if self._taken_over is not None and not self._turn.is_over:
            message = self._taken_over.next_message()
            if message is not None:
                return message
        self._came_back()
        return None

    def _switch(self) -> Message | None:
        """Wait until there is something to look at; return the message if it came by the switch."""
        if self._waiting is not None:
            raise UsageError("two greenlets receive from one session; let one do it")
        self._waiting = getcurrent()
        try:
            return cast("Message | None", self._hub.switch())
        finally:
            self._waiting = None

    def _wake(self) -> None:
        # Only later: the session is in the middle of something, such as closing.
        if self._waiting is not None:
            self._hub.loop.run_callback(self._resume)

    def _resume(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.switch(None)

    def _go_on(self) -> None:
        self._turn.renew()
        if not self.paused:
            self._connection.resume_reading()


class EventLoopHost(Host):
    """Runs `async def` handlers as tasks of one asyncio event loop in a greenlet beside them."""

    def __init__(self, runtime: GeventRuntime) -> None:
        self._runtime = runtime

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life in a task; the calling greenlet waits for its end."""
        from turnout_compat.gevent_event_loop import serve_in_task

        event_loop = self._runtime.start_event_loop()
        await event_loop.run(serve_in_task(session, prepared, event_loop))
