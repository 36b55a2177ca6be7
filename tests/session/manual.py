"""A runtime whose clock the test moves, and a connection that takes messages when it is told to."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from turnout.close import CloseStatus
from turnout.messages import Message
from turnout.protocol.prepared import PreparedMessage
from turnout.runtime import Host, Runtime, Task, Waiter
from turnout.session.connection import Connection


class ManualTimer:
    """A call that is due at a time of the manual clock."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualWaiter(Waiter):
    """A waiter that suspends with itself and remembers whether it was woken."""

    def __init__(self) -> None:
        self.woken = False

    def wake(self) -> None:
        self.woken = True

    def __await__(self) -> Generator[Any, None, None]:
        while not self.woken:
            yield self


class ManualRuntime(Runtime):
    """Nothing happens but by `advance`."""

    name = "manual"

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> ManualTimer:
        timer = ManualTimer(callback)
        heapq.heappush(self._due, (self.now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock and make the calls that are due, in order."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._due)
            if timer.callback is not None:
                timer.callback()
        self.now = end

    @property
    def timers(self) -> int:
        """How many calls are due."""
        return sum(timer.callback is not None for _, _, timer in self._due)

    def waiter(self) -> ManualWaiter:
        return ManualWaiter()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None) -> Task[Any]:
        raise NotImplementedError

    def spawn_plain(self, function: Callable[[], Any], *, name: str | None = None) -> Task[Any]:
        raise NotImplementedError

    def call_inside(self, callback: Callable[[], object]) -> None:
        callback()

    def call_blocking(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        raise NotImplementedError

    async def run_plain(self, function: Callable[[], Any], *, name: str) -> Any:
        return function()

    def host(self, prepared: Any) -> Host:
        raise NotImplementedError

    def timeout(self, seconds: float) -> Any:
        raise NotImplementedError


class ManualConnection(Connection):
    """Keeps what it was given; reading is a flag."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.closes: list[CloseStatus] = []
        self.reading = True
        self.ended: str | None = None

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def send_prepared(self, prepared: PreparedMessage) -> None:
        self.sent.append(prepared.message)

    def send_close(self, status: CloseStatus) -> None:
        self.closes.append(status)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"
