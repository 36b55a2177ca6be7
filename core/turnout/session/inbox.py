"""What a session has received and its handler has not taken yet: bounded, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from turnout.errors import UsageError

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.runtime import Runtime, Waiter
    from turnout.session.connection import Connection

__all__ = ["Inbox", "RuntimeInbox", "Turnstile", "weight"]

OVERHEAD = 64
"""What a message weighs besides its payload, so that a flood of empty ones is bounded too."""


def weight(message: Message) -> int:
    """Return what a message counts against a buffer limit, in bytes."""
    return len(message.payload) + OVERHEAD


class Turnstile(Protocol):
    """Where a handler waits for a message that is to be sent right into it."""

    @property
    @abstractmethod
    def is_here(self) -> bool:
        """True where somebody knows of what waits at it."""

    @abstractmethod
    def __await__(self) -> Generator[Any, Any, Message | None]:
        """Wait for a message, or for None, which says to look again."""


class Inbox(ABC):
    """Messages between the engine, which puts them in, and the handler, which takes them out.

    Over `limit` bytes the engine is told to stop reading; below half of it, to go on.
    """

    __slots__ = (
        "_all_answered",
        "_connection",
        "_limit",
        "_messages",
        "_on_answered",
        "_size",
        "consumer",
        "ended",
        "on_end",
        "paused",
    )

    def __init__(self, connection: Connection, limit: int | None) -> None:
        self._connection = connection
        self._limit = limit
        self._messages: deque[Message] | None = None  # made when one has to wait
        self._size = 0
        self._all_answered = True
        self._on_answered: Callable[[], None] | None = None
        self.paused: bool = False
        self.ended: bool = False
        self.consumer: Callable[[Message], None] | None = None
        """Takes a message at once, when nothing is waiting before it."""
        self.on_end: Callable[[], None] | None = None

    def put(self, message: Message) -> None:
        """Add one message, or hand it to the consumer that waits for it."""
        if self.consumer is not None:
            self.consumer(message)
            return
        if self._messages is None:
            self._messages = deque((message,))
        else:
            self._messages.append(message)
        self._size += weight(message)
        if self._limit is not None and self._size > self._limit and not self.paused:
            self.paused = True
            self._connection.pause_reading()
        self._wake()

    @property
    def is_awaited(self) -> bool:
        """True while nothing waits here, and something may come yet."""
        return not self._messages and not self.ended

    def begin_answer(self) -> None:
        """Note that a message went to the consumer, which takes no other meanwhile."""
        self.consumer = None
        self._all_answered = False

    def end(self) -> None:
        """Note that nothing more will come; what is here can still be taken."""
        self.ended = True
        self._on_answered = None
        if self.on_end is not None:
            self.on_end()
        self._wake()

    def when_answered(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the handler is through with every message, now if it is.

        It is when it has come back for more and found nothing.
        """
        self._on_answered = callback
        self._tell_answered()

    def clear(self) -> None:
        """Drop what has not been taken and let the engine read on, to see the closing frame."""
        self._messages = None
        self._size = 0
        self._read_on()

    def take(self) -> Message | None:
        """Return the oldest message, or None when there is none now."""
        if not self._messages:
            self._came_back()
            return None
        self._all_answered = False
        message = self._messages.popleft()
        self._size -= weight(message)
        if self.paused and self._size * 2 <= (self._limit or 0):
            self._read_on()
        return message

    def _came_back(self) -> None:
        """Note that the handler is through with what it took."""
        self._all_answered = True
        if self._on_answered is not None:
            self._tell_answered()

    def _tell_answered(self) -> None:
        is_through = not self._messages and (self._all_answered or self.consumer is not None)
        if is_through:
            self._tell()

    def _tell(self) -> None:
        if self._on_answered is not None:
            callback, self._on_answered = self._on_answered, None
            callback()

    def _read_on(self) -> None:
        if self.paused:
            self.paused = False
            self._connection.resume_reading()

    @abstractmethod
    def _wake(self) -> None:
        """Let the one who waits in `next` look again."""

    @abstractmethod
    async def next(self) -> Message | None:
        """Return the oldest message, waiting for one; None when the connection has ended."""


class RuntimeInbox(Inbox):
    """An inbox whose handler runs in the session's own runtime."""

    __slots__ = ("_runtime", "_waiter", "turnstile")

    def __init__(self, connection: Connection, limit: int | None, runtime: Runtime) -> None:
        super().__init__(connection, limit)
        self.turnstile: Turnstile | None = None
        self._runtime = runtime
        self._waiter: Waiter | None = None

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()

    async def next(self) -> Message | None:
        """Return the oldest message, waiting for one; None when the connection has ended."""
        message = self.take()
        while message is None:
            if self.ended:
                return None
            if self._waiter is not None or self.consumer is not None:
                raise UsageError("two tasks receive from one session; let one do it")
            if self.turnstile is not None and self.turnstile.is_here:
                message = await self.turnstile or self.take()
            else:
                await self._wait()
                message = self.take()
        return message

    async def _wait(self) -> None:
        self._waiter = self._runtime.waiter()
        try:
            await self._waiter
        finally:
            self._waiter = None
