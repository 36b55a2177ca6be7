"""How code waits on gevent: a greenlet switches to the hub, and whoever wakes it has it resumed.

Timers and sockets call back in the hub, which must not block: what is called there may wake, spawn
or hand bytes to the kernel, and nothing else. A wait in the hub raises `UsageError`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from turnout.errors import UsageError
from turnout.runtime import Waiter

if TYPE_CHECKING:
    import asyncio

    import gevent.hub
    from greenlet import greenlet

    from turnout_compat.gevent_event_loop import EventLoop
    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["GeventTimer", "GeventWaiter"]


class GeventWaiter(Waiter):
    """A waiter that blocks its greenlet, or suspends its task in the greenlet of an event loop.

    So one session can be used from both, and both can wake each other.
    """

    __slots__ = ("_future", "_greenlet", "_runtime", "_woken")

    def __init__(self, runtime: GeventRuntime) -> None:
        self._runtime = runtime
        self._greenlet: greenlet | None = None
        self._future: asyncio.Future[None] | None = None
        self._woken = False

    def wake(self) -> None:
        """Let whoever awaits go on, in the hub's next turn."""
        if self._woken:
            return
        self._woken = True
        if self._greenlet is not None:
            self._runtime.hub.loop.run_callback(self._resume)
        elif self._future is not None:
            self._resolve(self._future)

    def __await__(self) -> Generator[Any, None, None]:
        if self._woken:
            return
        current = getcurrent()
        event_loop = self._runtime.event_loop
        if event_loop is not None and current is event_loop.greenlet:
            yield from self._suspend_task(event_loop)
        else:
            self._block(current)

    def _block(self, current: greenlet) -> None:
        hub = self._runtime.hub
        if current is hub:
            raise UsageError("a callback of the hub may not wait: spawn a greenlet for what waits")
        self._greenlet = current
        try:
            while not self._woken:
                hub.switch()
        finally:
            self._greenlet = None

    def _resume(self) -> None:
        # The greenlet may have been killed, or timed out, since it was woken.
        if self._greenlet is not None:
            self._greenlet.switch()

    def _suspend_task(self, event_loop: EventLoop) -> Generator[Any, None, None]:
        self._future = event_loop.loop.create_future()
        try:
            yield from self._future.__await__()
        finally:
            self._future = None

    def _resolve(self, future: asyncio.Future[None]) -> None:
        def resolve() -> None:
            if not future.done():
                future.set_result(None)

        assert self._runtime.event_loop is not None
        self._runtime.event_loop.call_soon(resolve)


class GeventTimer:
    """A call that the hub makes later.

    A delay of 0 is a timer too: callbacks that schedule each other by `run_callback` run fifty
    times before the hub looks at its sockets again.
    """

    __slots__ = ("_callback", "_watcher")

    def __init__(self, hub: gevent.hub.Hub, delay: float, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback
        self._watcher = hub.loop.timer(max(0.0, delay))
        self._watcher.start(self._fire, update=True)

    def cancel(self) -> None:
        """Make sure it does not run; harmless after it ran."""
        if self._callback is not None:
            self._callback = None
            self._close()

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        self._close()
        if callback is not None:
            callback()

    def _close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
