"""Pings, the time they take, and what becomes of a peer that is silent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from turnout.close import CloseStatus
from turnout.errors import ConnectionClosed, UsageError
from turnout.messages import PingMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.options import WebSocketOptions
    from turnout.runtime import Runtime, Timer, Waiter
    from turnout.session.connection import Connection
    from turnout.session.session import WebSocketSession

__all__ = ["IdleWatch", "Keepalive", "Pings"]

PING_TIMED_OUT = CloseStatus(1011, "ping timeout")
IDLE_TIMED_OUT = CloseStatus(1001, "idle timeout")
IDLE_STEPS = 4
"""The idle timeout is noticed at most a quarter of itself late."""


class PendingPing:
    """A ping on its way, and when it left."""

    __slots__ = ("answered_at", "payload", "sent_at", "waiter")

    def __init__(self, payload: bytes, sent_at: float, waiter: Waiter) -> None:
        self.payload: bytes = payload
        self.sent_at: float = sent_at
        self.waiter: Waiter = waiter
        self.answered_at: float | None = None


class Pings:
    """The pings of `session.ping`; a pong answers its ping and all before it (section 5.5.3)."""

    __slots__ = ("_connection", "_pending", "_runtime")

    def __init__(self, connection: Connection, runtime: Runtime) -> None:
        self._connection = connection
        self._runtime = runtime
        self._pending: dict[bytes, PendingPing] | None = None  # made with the first

    def begin(self, payload: bytes | None) -> tuple[PingMessage, PendingPing]:
        """Register a ping that is about to be sent."""
        message = PingMessage(os.urandom(8) if payload is None else payload)
        if self._pending is None:
            self._pending = {}
        elif message.payload in self._pending:
            raise UsageError("a ping with this payload is already on its way; choose another")
        pending = PendingPing(message.payload, self._runtime.time(), self._runtime.waiter())
        self._pending[message.payload] = pending
        return message, pending

    async def finish(self, pending: PendingPing, error: Callable[[], ConnectionClosed]) -> float:
        """Wait for the pong; return the round trip in seconds."""
        await pending.waiter
        if pending.answered_at is None:
            raise error()
        return pending.answered_at - pending.sent_at

    def forget(self, pending: PendingPing) -> None:
        """Wait no more for a ping; harmless when it was answered."""
        if self._pending is not None and self._pending.get(pending.payload) is pending:
            del self._pending[pending.payload]

    def received(self, payload: bytes) -> None:
        """Take a pong."""
        if not self._pending or payload not in self._pending:
            return
        now = self._runtime.time()
        for key in list(self._pending):
            pending = self._pending.pop(key)
            pending.answered_at = now
            pending.waiter.wake()
            if key == payload:
                return

    def abandon(self) -> None:
        """Let everyone who waits for a pong know that none will come."""
        abandoned, self._pending = self._pending, None
        for pending in (abandoned or {}).values():
            pending.waiter.wake()


class Keepalive:
    """Pings every `ping_interval`; closes with 1011 when nothing is heard for `ping_timeout`.

    Anything that arrives proves the peer alive: a pong may stand behind a large message. While
    this side holds the peer back, silence proves nothing.
    """

    __slots__ = ("_connection", "_interval", "_runtime", "_session", "_timeout", "_timer", "heard")

    def __init__(
        self,
        session: WebSocketSession,
        connection: Connection,
        runtime: Runtime,
        options: WebSocketOptions,
    ) -> None:
        self._session = session
        self._connection = connection
        self._runtime = runtime
        self._interval = options.ping_interval
        self._timeout = options.ping_timeout
        self._timer: Timer | None = None
        self.heard: bool = False

    def start(self) -> None:
        """Begin the first interval."""
        if self._interval is not None:
            self._timer = self._runtime.deadline(self._interval, self._ping)

    def stop(self) -> None:
        """Ping no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def release(self) -> None:
        """Forget the session, which is over."""
        del self._session

    def _ping(self) -> None:
        self.heard = self._connection.heard = False
        try:
            self._session._outbox.post(PingMessage(os.urandom(4)))
        except ConnectionClosed:  # its send buffer was full, and the ping was one too many
            return
        if not self._session.is_open:
            return
        if self._timeout is None:
            self.start()
        else:
            self._timer = self._runtime.deadline(self._timeout, self._check)

    def _check(self) -> None:
        if self.heard or self._connection.heard or self._session._inbox.paused:
            self.start()
        else:
            self._session._closing.fail(PING_TIMED_OUT)


class IdleWatch:
    """Closes a session with 1001 after `idle_timeout` without a data message either way.

    While this side holds the peer back, the peer is not idle: what it sends is not read.
    """

    __slots__ = ("_quiet", "_runtime", "_session", "_timeout", "_timer", "active")

    def __init__(
        self, session: WebSocketSession, runtime: Runtime, options: WebSocketOptions
    ) -> None:
        self._session = session
        self._runtime = runtime
        self._timeout = options.idle_timeout
        self._timer: Timer | None = None
        self._quiet = 0
        self.active: bool = False

    def start(self) -> None:
        """Begin to watch."""
        if self._timeout is not None:
            self._timer = self._runtime.deadline(self._timeout / IDLE_STEPS, self._tick)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def release(self) -> None:
        """Forget the session, which is over."""
        del self._session

    def _tick(self) -> None:
        busy = self.active or self._session._inbox.paused
        self._quiet = 0 if busy else self._quiet + 1
        self.active = False
        if self._quiet >= IDLE_STEPS:
            self._session._closing.begin(IDLE_TIMED_OUT)
        else:
            self.start()
