"""Timers of asyncio for delays that many share and few see the end of.

A timer of the loop stands in a heap that is ordered in Python, and keeps a context. What a session
waits for at most, a close frame or a pong, has the same delay in every session and is hardly ever
due: so those of one delay stand in a queue, in the order in which they are due, behind one timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Final

__all__ = ["Deadline", "Deadlines"]

SPARE: Final = 64
"""So many may stand in a queue cancelled, before it is looked through for them."""


class Deadline:
    """A call that is due, unless it is cancelled before."""

    __slots__ = ("_callback", "_queue", "due")

    def __init__(self, queue: Deadlines, due: float, callback: Callable[[], object]) -> None:
        self._queue: Deadlines | None = queue
        self._callback: Callable[[], object] | None = callback
        self.due: float = due

    @property
    def is_cancelled(self) -> bool:
        """True once it will not be called any more."""
        return self._callback is None

    def cancel(self) -> None:
        """Make sure it is not called; harmless after it was."""
        if self._callback is not None:
            self._callback = None
            if self._queue is not None:
                self._queue.note_cancelled()

    def leave(self) -> None:
        """Stand in the queue no more."""
        self._queue = None

    def call(self) -> None:
        """Make the call."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Deadlines:
    """The deadlines of one delay, in seconds."""

    __slots__ = ("_cancelled", "_context", "_delay", "_loop", "_queue", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._loop = loop
        self._delay = delay
        self._context = Context()  # not that of whoever comes first
        self._queue: deque[Deadline] = deque()
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many are kept, cancelled ones among them."""
        return len(self._queue)

    @property
    def waiting(self) -> int:
        """How many are still to be called."""
        return len(self._queue) - self._cancelled

    def add(self, callback: Callable[[], object]) -> Deadline:
        """Call `callback` when the delay has passed."""
        deadline = Deadline(self, self._loop.time() + self._delay, callback)
        self._queue.append(deadline)
        if self._timer is None:
            self._wait_until(deadline.due)
        return deadline

    def note_cancelled(self) -> None:
        """Count one that was cancelled; drop them once they are the most."""
        self._cancelled += 1
        if self._cancelled > SPARE and self._cancelled * 2 > len(self._queue):
            self._queue = deque(each for each in self._queue if not each.is_cancelled)
            self._cancelled = 0

    def _ring(self) -> None:
        """Call what is due, each in a turn of its own, and wait for the next."""
        self._timer = None
        now = self._loop.time()
        while self._queue and (self._queue[0].due <= now or self._queue[0].is_cancelled):
            self._take_first()
        if self._queue:
            self._wait_until(self._queue[0].due)

    def _wait_until(self, due: float) -> None:
        self._timer = self._loop.call_at(due, self._ring, context=self._context)

    def _take_first(self) -> None:
        deadline = self._queue.popleft()
        deadline.leave()
        if deadline.is_cancelled:
            self._cancelled -= 1
        else:
            self._loop.call_soon(deadline.call, context=self._context)
