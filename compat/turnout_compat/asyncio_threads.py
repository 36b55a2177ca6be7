"""The session of a plain `def` handler on asyncio: the handler in its thread, the I/O in the loop.

Inbound, the loop puts messages into a queue that the thread blocks on. Outbound, the thread hands
messages over and goes on while less than `CREDIT` bytes are on their way, and blocks beyond that:
so back-pressure reaches the handler, and a small message costs no round trip to the loop.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from turnout.close import CloseStatus
from turnout.errors import ConnectionClosed, UsageError
from turnout.messages import BinaryMessage, Message, TextMessage
from turnout.session.blocking import BlockingSession
from turnout.session.inbox import Inbox, weight
from turnout.session.lifecycle import Control
from turnout_compat.threads_runtime import ThreadWaiter

if TYPE_CHECKING:
    from turnout.runtime import Timer
    from turnout.session.connection import Connection
    from turnout.session.outbox import Waiting
    from turnout.session.session import WebSocketSession
    from turnout_compat.asyncio_runtime import AsyncioRuntime

__all__ = ["ThreadControl", "ThreadInbox", "ThreadSession"]

log = logging.getLogger("turnout.handler")

CREDIT = 64 * 1024


class ThreadInbox(Inbox):
    """Filled in the loop, emptied in a thread. Each side counts its own bytes."""

    def __init__(self, connection: Connection, limit: int | None, runtime: AsyncioRuntime) -> None:
        super().__init__(connection, limit)
        self._messages = self._queue = deque[Message]()  # always there: threads may look
        self._runtime = runtime
        self._taken = 0
        self._receiving = threading.Lock()
        self._waiter: ThreadWaiter | None = None

    def put(self, message: Message) -> None:
        """Add one message."""
        self._size += weight(message)
        self._queue.append(message)
        self._wake()
        if self._limit is not None and self._size - self._taken > self._limit and not self.paused:
            self.paused = True
            self._connection.pause_reading()
            self._look_again()  # the thread may have taken all of it meanwhile

    def clear(self) -> None:
        """Drop what has not been taken and let the engine read on."""
        while (message := self._pop()) is not None:
            self._size -= weight(message)
        self._read_on()

    def take(self) -> Message | None:
        """Return the oldest message, or None when there is none now."""
        self._all_answered = False  # before the look: the loop may ask between the two
        message = self._pop()
        if message is None:
            self._came_back()
        else:
            self._taken += weight(message)
            if self.paused:
                self._runtime.call_inside(self._look_again)
        return message

    def take_blocking(self) -> Message | None:
        """Return the oldest message, blocking the thread; None when the connection has ended."""
        message = self.take()
        while message is None:
            if self.ended:
                return self.take()  # one may have come between the look and the end
            self._wait()
            message = self.take()
        return message

    async def next(self) -> Message | None:
        """Return the oldest message; blocks the thread that drives this."""
        return self.take_blocking()

    def _wait(self) -> None:
        if not self._receiving.acquire(blocking=False):
            raise UsageError("two threads receive from one session; let one do it")
        self._waiter = waiter = ThreadWaiter()
        try:
            if not self._queue and not self.ended:  # looked at after the waiter can be seen
                waiter.block()
        finally:
            self._waiter = None
            self._receiving.release()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            waiter.wake()

    def _came_back(self) -> None:
        self._all_answered = True  # before the look, as the loop sets the callback before its own
        if self._on_answered is not None:  # and a message may have come meanwhile
            self._runtime.call_inside(self._tell_answered)

    def _tell(self) -> None:
        # Behind what the thread has sent until now, which may be on its way to the loop yet.
        self._runtime.loop.call_soon(super()._tell)

    def _pop(self) -> Message | None:
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _look_again(self) -> None:
        if (self._size - self._taken) * 2 <= (self._limit or 0):
            self._read_on()


class Outgoing:
    """Messages on their way from any thread to the loop."""

    def __init__(self, session: WebSocketSession, runtime: AsyncioRuntime) -> None:
        self._session = session
        self._runtime = runtime
        self._messages: deque[Message | CloseStatus] = deque()
        self._lock = threading.Lock()
        self._on_the_way = 0
        self._flushing = False
        self._waiting: list[ThreadWaiter] = []
        self._closing_with: CloseStatus | None = None
        self._deadline: Timer | None = None

    def send(self, message: Message) -> None:
        """Hand a message over; block while too much is on its way; raise `ConnectionClosed`.

        Raises `UnicodeEncodeError` too: where the engine would, the sender has gone on.
        """
        if isinstance(message, TextMessage) and not message.payload.isascii():
            message.payload.encode()
        self._wait_below(CREDIT)
        with self._lock:
            error = self._closed_error()
            if error is not None:
                raise error
            self._on_the_way += weight(message)
            self._messages.append(message)
            if self._flushing:
                return
            self._flushing = True
        self._runtime.call_inside(self._flush)

    def close(self, status: CloseStatus) -> None:
        """Begin to close after what is on its way; take nothing more, and wait for nothing."""
        with self._lock:
            if self._closing_with is not None:
                return
            self._closing_with = status
            self._messages.append(status)
        self._runtime.call_inside(self._begin_close)

    def _begin_close(self) -> None:
        """Give what is on its way, to a peer that may read none of it, the time of any close."""
        if self._session.state != "open":
            return  # a flush that was under way has been here first
        limit = self._session.options.close_timeout
        self._deadline = self._runtime.call_later(limit, self._give_up)
        with self._lock:
            if self._flushing:
                return
            self._flushing = True
        self._flush()

    def _give_up(self) -> None:
        assert self._closing_with is not None
        self._session.begin_close(self._closing_with)
        self._session.connection.abort()

    def _closed_error(self) -> ConnectionClosed | None:
        error = self._session.closed_error()
        if error is None and self._closing_with is not None:
            return ConnectionClosed(self._closing_with, "local")
        return error

    def wait(self) -> None:
        """Return when the engine has taken everything, or never will."""
        self._wait_below(0)

    def _wait_below(self, limit: int) -> None:
        while self._on_the_way > limit:
            waiter = ThreadWaiter()
            with self._lock:
                if self._on_the_way <= limit:
                    return
                self._waiting.append(waiter)
            waiter.block()

    def _flush(self) -> None:
        """Post what has come, inside the loop; stop at a message that has to wait."""
        while True:
            with self._lock:
                if not self._messages:
                    self._flushing = False
                    return
                message = self._messages.popleft()
            if isinstance(message, CloseStatus):
                self._close_now(message)
                continue
            try:
                waiting = self._session.post(message)
            except Exception as error:
                self._lost(error)
                waiting = None
            if waiting is not None and not waiting.settled:
                self._runtime.spawn(self._await(waiting, message))
                return
            self._took(message)

    def _close_now(self, status: CloseStatus) -> None:
        if self._deadline is not None:  # from here on, the session has its own
            self._deadline.cancel()
        self._session.begin_close(status)

    async def _await(self, waiting: Waiting, message: Message) -> None:
        try:
            await waiting.wait(self._runtime)
        except Exception as error:
            self._lost(error)
        finally:
            self._took(message)
        self._flush()

    def _lost(self, error: Exception) -> None:
        """Tell about a message that was handed over in vain: its sender has gone on."""
        if not isinstance(error, ConnectionClosed):  # a close shows at the sender's next call
            log.error("session %s could not send", self._session.id, exc_info=error)

    def _took(self, message: Message) -> None:
        with self._lock:
            self._on_the_way -= weight(message)
            waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.wake()


class ThreadSession(BlockingSession):
    """The blocking view that a handler's own thread uses; other threads may use it too."""

    def __init__(
        self, session: WebSocketSession, runtime: AsyncioRuntime, inbox: ThreadInbox
    ) -> None:
        super().__init__(session, runtime)
        self._inbox = inbox
        self._outgoing = Outgoing(session, runtime)

    def _send_one(self, message: Message | str | bytes | bytearray | memoryview) -> None:
        if isinstance(message, str):
            message = TextMessage(message)
        elif not isinstance(message, Message):
            message = BinaryMessage(message)
        if message.is_whole:
            self._outgoing.send(message)
        else:  # a piece in the wrong place is the caller's mistake: let it be raised there
            if message.is_first:  # what other threads send meanwhile waits for the last piece
                self._outgoing.wait()
            super()._send_one(message)

    def send_text(self, text: str) -> None:
        """Send a text message."""
        self._outgoing.send(TextMessage(text))

    def send_binary(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self._outgoing.send(BinaryMessage(data))

    def receive(self) -> Message:
        """Return the next message, waiting for it; raise `ConnectionClosed` when none will come."""
        message = self._inbox.take_blocking()
        if message is None:
            raise self._session.closed_error() or ConnectionClosed(CloseStatus(1006))
        return message

    def ping(self, payload: bytes | None = None) -> float:
        """Send a ping after what is on its way; return the round trip in seconds."""
        self._outgoing.wait()
        return super().ping(payload)

    def pong(self, payload: bytes = b"") -> None:
        """Send an unsolicited pong after what is on its way."""
        self._outgoing.wait()
        super().pong(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what is on its way; return when it is closed."""
        self._outgoing.close(CloseStatus(code, reason).check_sendable())
        self.wait_closed()


class ThreadControl(Control):
    """What the life of a handler needs, from the handler's thread: every call blocks it."""

    def __init__(self, face: ThreadSession, inbox: ThreadInbox) -> None:
        self._face = face
        self._inbox = inbox

    async def next(self) -> Message | None:
        """Return the next message; None when the connection has ended."""
        return self._inbox.take_blocking()

    async def close(self, status: CloseStatus) -> None:
        """Close, and return when the session is closed."""
        self._face.close(status.code, status.reason)

    async def wait_closed(self) -> CloseStatus:
        """Return how the session ended, when it has."""
        return self._face.wait_closed()
