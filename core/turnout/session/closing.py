"""The end of a session: who closed, with what, and how long anyone waits for it.

```text
open ──begin (this side)──> closing ──peer's close frame, or close_timeout──> closed
  │                            ^
  ├──received (the peer)───────┤    the answer is sent, then the engine's connection ended
  ├──fail (a violation)────────┤    nothing more is received; what came before it is answered
  ├──overflow (slow reader)────┘    what waits is dropped
  └──lost (no close frame)──────────────────────────────────────────────────> closed (1006)
```
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from turnout.close import NO_CLOSE_FRAME, SESSION_NOT_RELIABLE, CloseStatus
from turnout.errors import ConnectionClosed, SessionLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.runtime import Runtime, Timer, Waiter
    from turnout.session.connection import Connection
    from turnout.session.session import SessionState, WebSocketSession

__all__ = ["Closing"]

log: logging.Logger = logging.getLogger("turnout.session")

ANSWER_TIME = 1.0
"""Seconds for a handler to answer what it received before the peer broke the protocol."""
GRACE = 0.5
"""Seconds for a handler that waits in `close()` to return after its connection was cut."""


class Closing:
    """The state of a session, and everything that changes it."""

    __slots__ = (
        "_connection",
        "_failure",
        "_finished",
        "_on_deadline",
        "_runtime",
        "_sent",
        "_session",
        "_timeout",
        "_timer",
        "_waiters",
        "by",
        "state",
        "status",
    )

    def __init__(
        self,
        session: WebSocketSession,
        connection: Connection,
        runtime: Runtime,
        timeout: float,
    ) -> None:
        self._session = session
        self._connection = connection
        self._runtime = runtime
        self._timeout = timeout
        self._timer: Timer | None = None
        self._waiters: list[Waiter] = []
        self._on_deadline: Callable[[], None] | None = None
        self._sent = False
        self._failure: CloseStatus | None = None
        self._finished = False
        self.state: SessionState = "open"
        self.status: CloseStatus | None = None
        self.by: Literal["local", "remote"] | None = None

    def error(self) -> ConnectionClosed:
        """Return what a call on the ended session raises."""
        status = self.status or NO_CLOSE_FRAME
        if status == SESSION_NOT_RELIABLE and self.by == "local":
            return SessionLimitExceeded(status, self.by)
        return ConnectionClosed(status, self.by)

    def begin(self, status: CloseStatus) -> None:
        """Close from this side, after what already waits to be sent."""
        if self.state == "open" and self._failure is not None:
            self._fail_now()
        elif self._enter(status, "local"):
            self._session._inbox.clear()
            self._session._inbox.end()
            self._session._outbox.when_drained(self._send_close)

    def received(self, status: CloseStatus) -> None:
        """Answer the peer's close frame, or take it as the answer to ours."""
        if self._enter(status, "remote"):
            self._session._inbox.end()
        self._session._outbox.discard()
        self._send_close()
        self._connection.close()

    def fail(self, status: CloseStatus) -> None:
        """Close because of what the peer did; nothing more is received.

        What came before was in order, and its answers go first: a handler that is not through
        with it has `ANSWER_TIME` for that. Of several violations the first counts.
        """
        if self._failure is not None or self.state == "closed":
            return
        self._failure = status
        if self.state == "open":
            self._timer = self._runtime.deadline(ANSWER_TIME, self._fail_now)
            self._session._inbox.when_answered(self._fail_now)
        else:
            self._fail_now()

    def _fail_now(self) -> None:
        assert self._failure is not None
        if self._enter(self._failure, "local"):
            self._session._inbox.end()
        self._session._outbox.discard()
        self._send_close()
        self._connection.close()

    def overflow(self) -> None:
        """Close because the peer reads too slowly; what waits is dropped."""
        if self._enter(SESSION_NOT_RELIABLE, "local"):
            self._session._inbox.clear()
            self._session._inbox.end()
            self._session._outbox.discard()
            self._send_close()
            self._connection.close()

    def lost(self) -> None:
        """Note that the engine's connection is gone, however that came."""
        if self.state == "closed":
            return
        if self.state == "open":
            self._enter(self._failure or NO_CLOSE_FRAME, "local" if self._failure else None)
            self._session._inbox.end()
        self.state = "closed"
        self._session._outbox.discard()
        self._session._pings.abandon()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()
        if self._finished:
            self._session.release()

    async def wait(self) -> None:
        """Return when the session is closed."""
        while self.state != "closed":
            waiter = self._runtime.waiter()
            self._waiters.append(waiter)
            await waiter

    def on_deadline(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` when `close_timeout` has passed; None when the handler has ended."""
        self._on_deadline = callback

    def finished(self) -> None:
        """Note that session and handler are over; no timer is left to cut what was not ended."""
        if self._finished:
            return
        self._on_deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._finished = True
        if self.state == "closed":
            self._session.release()
        else:
            self._cut()

    def release(self) -> None:
        """Forget the session, which is over."""
        del self._session

    def _enter(self, status: CloseStatus, by: Literal["local", "remote"] | None) -> bool:
        """Leave the open state; false when somebody was first."""
        if self.state != "open":
            return False
        self.state = "closing"
        self.status = status
        self.by = by
        if self._timer is not None:
            self._timer.cancel()
        self._session._outbox.shut(self.error)
        self._session._keepalive.stop()
        self._session._idle.stop()
        self._timer = self._runtime.deadline(self._timeout, self._deadline)
        return True

    def _send_close(self) -> None:
        if not self._sent and self.state != "closed":
            assert self.status is not None
            self._sent = True
            try:
                self._connection.send_close(self.status)
            except Exception:
                log.exception(
                    "session %s could not send its close frame; it is cut", self._session.id
                )
                self._cut()

    def _deadline(self) -> None:
        """Cut the connection; a handler that waited only for its end now goes on by itself."""
        if self.state == "closed":
            self._give_up()
        else:
            self._cut()
            self._timer = self._runtime.deadline(GRACE, self._give_up)

    def _cut(self) -> None:
        """End the connection at once; an engine that takes more before its end gets nothing."""
        self._sent = True
        self._session._outbox.discard()
        self._connection.abort()

    def _give_up(self) -> None:
        self._timer = None
        if self._on_deadline is not None:
            self._on_deadline()
