"""What a session is to send and its engine has not taken yet: bounded in size and in time.

The engine takes messages one at a time. While it takes them, a send is one call and returns at
once. When it says `pause_writing`, messages wait here, their senders with them; `send_buffer`
bounds how many bytes may wait, `send_timeout` for how long the first of them may. The timer runs
by itself, so that a single stuck send is noticed though nobody else sends.

A fragmented message is not interrupted: whole messages are held back until its last piece was
handed over; pings and pongs are not (RFC 6455 section 5.4). What is held back counts for the size
only: it waits for this side, not for the peer.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from turnout.errors import UsageError
from turnout.messages import Message, PingMessage, PongMessage
from turnout.options import Overflow
from turnout.protocol.prepared import PreparedMessage
from turnout.session.inbox import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.errors import ConnectionClosed
    from turnout.options import WebSocketOptions
    from turnout.runtime import Runtime, Timer, Waiter
    from turnout.session.connection import Connection

__all__ = ["Outbox", "Waiting"]

log: logging.Logger = logging.getLogger("turnout.session")

SLICE = 256
"""Sends in a row that complete at once before the sender lets others run."""


class Waiting:
    """A message that waits to be handed over, and whoever waits with it."""

    __slots__ = ("error", "item", "settled", "size", "waiter")

    def __init__(self, item: Message | PreparedMessage | None, size: int) -> None:
        self.item: Message | PreparedMessage | None = item
        self.size: int = size
        self.waiter: Waiter | None = None
        self.settled: bool = False
        self.error: Exception | None = None

    def settle(self, error: Exception | None = None) -> None:
        """Let the sender go on: handed over, dropped, or failed with `error`."""
        self.settled = True
        self.error = error
        if self.waiter is not None:
            self.waiter.wake()

    async def wait(self, runtime: Runtime) -> None:
        """Return when the message was handed over or dropped; raise why it never will be."""
        if not self.settled:
            self.waiter = runtime.waiter()
            await self.waiter
        if self.error is not None:
            raise self.error


class Outbox:
    """The serialised, bounded way out of a session."""

    __slots__ = (
        "_connection",
        "_held",
        "_limit",
        "_on_drained",
        "_on_overflow",
        "_open_kind",
        "_overflow",
        "_queue",
        "_runtime",
        "_sending",
        "_size",
        "_slice",
        "_timeout",
        "_timer",
        "_writable",
        "dropped",
        "error",
    )

    def __init__(
        self,
        connection: Connection,
        runtime: Runtime,
        options: WebSocketOptions,
        on_overflow: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._runtime = runtime
        self._limit = options.send_buffer
        self._timeout = options.send_timeout
        self._overflow = options.overflow
        self._on_overflow = on_overflow
        self._on_drained: Callable[[], None] | None = None
        self._queue: deque[Waiting] | None = None  # both are made when something has to wait
        self._held: deque[Waiting] | None = None
        self._size = 0
        self._slice = SLICE
        self._writable = True
        self._sending = False
        self._open_kind: type[Message] | None = None
        self._timer: Timer | None = None
        self.error: Callable[[], ConnectionClosed] | None = None
        """Set once the session is closing: makes what a sender gets."""
        self.dropped: int = 0
        """Messages dropped because the peer was too slow."""

    @property
    def waiting_bytes(self) -> int:
        """What waits to be handed over."""
        return self._size

    def post(self, item: Message | PreparedMessage) -> Waiting | None:
        """Send a message without waiting; None when the engine took it, else what waits.

        Raises `ConnectionClosed` when the session is not open any more, and what the engine raises.
        """
        if self.error is not None:
            raise self.error()
        is_prepared = type(item) is PreparedMessage
        whole = is_prepared or (item.is_first and item.is_last)  # type: ignore[union-attr]  # a Message
        busy = self._sending or not self._writable or self._queue or self._open_kind is not None
        if busy or not whole:
            return self._enqueue(item, whole)
        self._sending = True
        try:
            if is_prepared:
                self._connection.send_prepared(item)  # type: ignore[arg-type]  # as just found
            else:
                self._connection.send(item)  # type: ignore[arg-type]  # as just found
        finally:
            self._sending = False
            if self._queue or self._on_drained is not None:  # while a blocking engine was sending
                self._flush()
        self._slice -= 1
        return None if self._slice else self._yield()

    async def send(self, item: Message | PreparedMessage) -> None:
        """Send a message; return when the engine has taken it."""
        waiting = self.post(item)
        if waiting is not None:
            await waiting.wait(self._runtime)

    def _hand_over(self, item: Message | PreparedMessage) -> None:
        if type(item) is PreparedMessage:
            self._connection.send_prepared(item)
        else:
            self._connection.send(item)  # type: ignore[arg-type]  # not prepared, so a Message

    def _yield(self) -> Waiting:
        """Make a sender that never has to wait give way now and then."""
        self._slice = SLICE
        pause = Waiting(None, 0)
        self._runtime.call_later(0, pause.settle)
        return pause

    # Waiting

    def _enqueue(self, item: Message | PreparedMessage, whole: bool) -> Waiting | None:
        if self._limit is not None and self._size > self._limit:
            self._make_room()
        message = item.message if isinstance(item, PreparedMessage) else item
        waiting = Waiting(item, len(message.payload) + OVERHEAD)
        if not message.is_first:
            self._check_continues(message)
        elif self._open_kind is not None and not isinstance(message, (PingMessage, PongMessage)):
            self._size += waiting.size
            self._held = _appended(self._held, waiting)
            return waiting
        if not whole:
            self._open_kind = None if message.is_last else type(message)
        self._size += waiting.size
        self._queue = _appended(self._queue, waiting)
        if message.is_last and not whole:
            self._release_held()
        self._flush(waiting)
        if not waiting.settled:
            return waiting
        if waiting.error is not None:
            raise waiting.error
        return None

    def _check_continues(self, message: Message) -> None:
        if self._open_kind is not type(message):
            raise UsageError(
                "a piece with is_first=False continues a message of its own kind that was begun"
                " with is_last=False; begin one first"
            )

    def _release_held(self) -> None:
        while self._held and self._open_kind is None:
            waiting = self._held.popleft()
            item = waiting.item
            if isinstance(item, Message) and not item.is_last:
                self._open_kind = type(item)
            self._queue = _appended(self._queue, waiting)

    def _flush(self, own: Waiting | None = None) -> None:
        """Hand over what waits, as far as the engine takes it; `own` is the caller's message."""
        if self._sending:
            self._arm()
            return
        self._sending = True
        try:
            while self._queue and self._writable:
                waiting = self._queue.popleft()
                self._size -= waiting.size
                self._take_turn(waiting, own)
                self._disarm()
        finally:
            self._sending = False
        self._look_for_the_end()

    def _take_turn(self, waiting: Waiting, own: Waiting | None) -> None:
        """Hand one message over; an error is its sender's, not the engine's that takes more."""
        try:
            if waiting.item is not None:
                self._hand_over(waiting.item)
        except Exception as error:
            if waiting.waiter is None and waiting is not own:
                log.exception("a message that nobody waits for could not be sent")
            self._take_back(waiting.item)
            waiting.settle(error)
        else:
            waiting.settle()

    def _take_back(self, item: Message | PreparedMessage | None) -> None:
        """Note that a piece was not sent: its message is as far as it was before."""
        if isinstance(item, Message) and not item.is_whole:
            self._open_kind = None if item.is_first else type(item)
            self._release_held()

    def _look_for_the_end(self) -> None:
        if self._queue:
            self._arm()
        elif self._on_drained is not None:
            drained, self._on_drained = self._on_drained, None
            drained()

    # The engine's say

    def pause(self) -> None:
        """Keep messages here from now on."""
        self._writable = False

    def resume(self) -> None:
        """Hand over what waits, as far as the engine takes it."""
        self._writable = True
        if self._queue:
            self._flush()

    # Limits

    def _arm(self) -> None:
        if self._timer is None and self._timeout is not None:
            self._timer = self._runtime.call_later(self._timeout, self._timed_out)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        if not self._queue:
            return
        if self._overflow is Overflow.TERMINATE or not self._drop_oldest():
            self._on_overflow()
        else:
            self._look_for_the_end()

    def _make_room(self) -> None:
        """Apply the overflow policy before a message is added to a full buffer."""
        assert self._limit is not None
        if self._overflow is Overflow.DROP:
            while self._size > self._limit and self._drop_oldest():
                pass
            if self._size <= self._limit:
                return
        self._on_overflow()
        if self.error is not None:
            raise self.error()

    def _drop_oldest(self) -> bool:
        """Drop the oldest whole message; pieces of a begun message must stay."""
        for queue in filter(None, (self._queue, self._held)):
            for index, waiting in enumerate(queue):
                item = waiting.item
                if isinstance(item, PreparedMessage) or (item is not None and item.is_whole):
                    del queue[index]
                    self._size -= waiting.size
                    self.dropped += 1
                    waiting.settle()
                    return True
        return False

    # The end

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything that waits was handed over, now if nothing waits.

        Whole messages held back by a fragmented one that was never finished do not count.
        """
        if self._queue or self._sending:
            self._on_drained = callback
        else:
            callback()

    def shut(self, error: Callable[[], ConnectionClosed]) -> None:
        """Refuse further messages; what waits stays to be handed over."""
        self.error = error

    def discard(self) -> None:
        """Fail everyone who waits, now."""
        self._disarm()
        self._on_drained = None
        waiting = [*(self._queue or ()), *(self._held or ())]
        self._queue = self._held = None
        self._size = 0
        for one in waiting:
            one.settle(None if self.error is None else self.error())

    def release(self) -> None:
        """Forget the session, which is over."""
        del self._on_overflow


def _appended(queue: deque[Waiting] | None, waiting: Waiting) -> deque[Waiting]:
    if queue is None:
        return deque((waiting,))
    queue.append(waiting)
    return queue
