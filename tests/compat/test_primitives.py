"""Sleep, timeouts, tasks, locks, events and queues mean the same on every runtime."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from turnout import Event, Lock, Queue, TaskGroup, UsageError, join, sleep, spawn, timeout
from turnout.drive import drive
from turnout.runtime import current_runtime, set_current_runtime

Main = Callable[[], Coroutine[Any, Any, object]]
Run = Callable[[Main], object]
DEADLINE = 10.0


def run_on_asyncio(main: Main) -> object:
    """Run on an event loop."""
    from turnout_compat.asyncio_runtime import AsyncioRuntime

    async def enter() -> object:
        set_current_runtime(AsyncioRuntime())
        async with asyncio.timeout(DEADLINE):
            return await main()

    return asyncio.run(enter())


def run_on_threads(main: Main) -> object:
    """Drive in a thread of its own."""
    from turnout_compat.threads_runtime import ThreadsRuntime

    runtime = ThreadsRuntime.shared()

    def enter() -> object:
        set_current_runtime(runtime)
        return drive(main())

    return drive(_result(runtime.spawn_plain(enter)))


def run_on_gevent(main: Main) -> object:
    """Drive in a greenlet."""
    import gevent

    from turnout_compat.gevent_runtime import GeventRuntime

    def enter() -> object:
        set_current_runtime(GeventRuntime())
        return drive(main())

    return gevent.spawn(enter).get(timeout=DEADLINE)


async def _result(task: Any) -> object:
    return await task


@pytest.fixture(params=["asyncio", "threads", "gevent"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function on each runtime."""
    if request.param == "gevent" and importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed here; the gevent environment runs this")
    runners: dict[str, Run] = {
        "asyncio": run_on_asyncio,
        "threads": run_on_threads,
        "gevent": run_on_gevent,
    }
    return runners[request.param]


def test_sleep_waits(run: Run) -> None:
    """It takes at least as long as asked for."""

    async def main() -> float:
        began = time.monotonic()
        await sleep(0.02)
        return time.monotonic() - began

    assert run(main) >= 0.019  # type: ignore[operator]  # a float


def test_timeout_raises_and_leaves_the_rest_alone(run: Run) -> None:
    """The body ends with TimeoutError; what follows runs."""

    async def main() -> str:
        with pytest.raises(TimeoutError):
            async with timeout(0.01):
                await Event().wait()
        async with timeout(DEADLINE):
            await sleep(0)
        return "went on"

    assert run(main) == "went on"


def test_inner_timeout_fires_first(run: Run) -> None:
    """Nested deadlines each end their own body."""

    async def main() -> list[str]:
        order = []
        try:
            async with timeout(0.05):
                try:
                    async with timeout(0.01):
                        await Event().wait()
                except TimeoutError:
                    order.append("inner")
                await Event().wait()
        except TimeoutError:
            order.append("outer")
        return order

    assert run(main) == ["inner", "outer"]


def test_spawn_gives_results_and_errors(run: Run) -> None:
    """Awaiting a task returns what it returned and raises what it raised."""

    async def value() -> int:
        await sleep(0)
        return 7

    async def failing() -> None:
        raise KeyError("x")

    async def main() -> int:
        task = spawn(failing())
        with pytest.raises(KeyError):
            await task
        assert task.done
        assert isinstance(task.error, KeyError)
        return await spawn(value()) + await spawn(lambda: 1)

    assert run(main) == 8


def test_cancel_ends_a_task_that_waits(run: Run) -> None:
    """A cancelled task ends at its wait, and its cleanup runs."""

    async def main() -> list[str]:
        events = []
        begun = Event()

        async def endless() -> None:
            try:
                begun.set()
                await Event().wait()
            finally:
                events.append("cleaned up")

        task = spawn(endless())
        await begun.wait()
        task.cancel()
        ended = Event()
        task.on_done(ended.set)
        await ended.wait()
        assert task.done
        assert task.error is not None
        return events

    assert run(main) == ["cleaned up"]


def test_lock_excludes(run: Run) -> None:
    """Nobody enters while another is inside."""

    async def main() -> list[str]:
        lock, events = Lock(), []

        async def enter(name: str) -> None:
            async with lock:
                events.append(f"{name} in")
                await sleep(0.005)
                events.append(f"{name} out")

        async with TaskGroup() as group:
            for name in "abc":
                group.spawn(enter(name))
        assert not lock.locked
        with pytest.raises(UsageError):
            lock.release()
        return events

    events: Any = run(main)
    assert sorted(events[0::2]) == ["a in", "b in", "c in"]
    assert [event.replace("in", "out") for event in events[0::2]] == events[1::2]


def test_queue_holds_the_producer_back(run: Run) -> None:
    """No more than maxsize items wait, and all arrive in order."""

    async def main() -> list[int]:
        queue: Queue[int] = Queue(3)
        largest = 0

        async def produce() -> None:
            nonlocal largest
            for number in range(50):
                await queue.put(number)
                largest = max(largest, len(queue))

        task = spawn(produce())
        received = []
        for _ in range(50):
            received.append(await queue.get())
        await task
        assert largest <= 3
        assert not queue.full
        return received

    assert run(main) == list(range(50))


def test_task_group_raises_and_cancels_the_rest(run: Run) -> None:
    """An error of one task ends the others."""

    async def main() -> list[str]:
        events: list[str] = []

        async def endless() -> None:
            try:
                await Event().wait()
            finally:
                events.append("cancelled")

        async def failing() -> None:
            await sleep(0.005)
            raise ValueError

        with pytest.raises(ExceptionGroup):
            async with TaskGroup() as group:
                group.spawn(endless())
                group.spawn(failing())
        return events

    assert run(main) == ["cancelled"]


def test_join_ends_with_the_first(run: Run) -> None:
    """The other is cancelled, and has ended when join returns."""

    async def main() -> list[str]:
        events: list[str] = []

        async def short() -> None:
            await sleep(0.005)
            events.append("short")

        async def endless() -> None:
            try:
                await Event().wait()
            finally:
                events.append("cancelled")

        await join(short(), endless())
        return events

    assert run(main) == ["short", "cancelled"]


def test_join_raises_what_ended_it(run: Run) -> None:
    """An error of the first reaches the caller."""

    async def main() -> None:
        async def failing() -> None:
            raise ValueError("first")

        await join(failing(), Event().wait())

    with pytest.raises(ValueError, match="first"):
        run(main)


def test_helpers_outside_of_a_runtime_say_so() -> None:
    """A helper that is called nowhere in particular raises UsageError."""
    with pytest.raises(UsageError, match="no turnout runtime here"):
        current_runtime()
