"""asyncio on a gevent hub: one loop, in a greenlet of its own, that nobody blocks."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar

import gevent
import pytest
from greenlet import getcurrent

import turnout
from turnout import UsageError, blocking
from turnout.drive import drive
from turnout.runtime import current_runtime
from turnout_compat.gevent_runtime import GeventRuntime

colour: ContextVar[str] = ContextVar("colour", default="none")


def in_loop(runtime: GeventRuntime, coroutine: object) -> object:
    """Run a coroutine on the loop, from the calling greenlet."""
    return drive(runtime.start_event_loop().run(coroutine))  # type: ignore[arg-type]  # any coroutine


def test_200_greenlets_have_tasks_that_gather_and_sleep(runtime: GeventRuntime) -> None:
    async def work(number: int) -> int:
        parts = await asyncio.gather(*(asyncio.sleep(0.05, number) for _ in range(3)))
        return sum(parts)

    begin = time.monotonic()
    greenlets = [gevent.spawn(in_loop, runtime, work(number)) for number in range(200)]
    assert [greenlet.get() for greenlet in greenlets] == [3 * number for number in range(200)]
    assert time.monotonic() - begin < 5  # one after the other takes ten seconds


def test_the_loop_leaves_the_hub_to_others(runtime: GeventRuntime) -> None:
    sleeping = gevent.spawn(in_loop, runtime, asyncio.sleep(0.1))
    turns = 0
    while not sleeping.ready():
        gevent.sleep(0.001)
        turns += 1
    assert turns > 10


def test_a_task_has_the_callers_context(runtime: GeventRuntime) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return colour.get()

    def call() -> object:
        colour.set("of the greenlet")
        return in_loop(runtime, work())

    assert gevent.spawn(call).get() == "of the greenlet"


def test_an_error_comes_back(runtime: GeventRuntime) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise KeyError("its own")

    with pytest.raises(KeyError):
        in_loop(runtime, work())


def test_a_waiter_joins_a_task_and_a_greenlet(runtime: GeventRuntime) -> None:
    """Each of both can wait for the other on one object: what a session used from both needs."""
    to_task, to_greenlet = runtime.waiter(), runtime.waiter()
    order: list[str] = []

    async def work() -> None:
        order.append("task waits")
        await to_task
        order.append("task woken")
        to_greenlet.wake()

    async def wait() -> None:
        await to_greenlet

    working = gevent.spawn(in_loop, runtime, work())
    while not order:
        gevent.sleep(0)
    order.append("greenlet wakes")
    to_task.wake()
    drive(wait())
    working.get()
    assert order == ["task waits", "greenlet wakes", "task woken"]


def test_killing_the_greenlet_cancels_its_task_first(runtime: GeventRuntime) -> None:
    events: list[str] = []

    async def work() -> None:
        events.append("begun")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            events.append("cleaned up")
            raise

    working = gevent.spawn(in_loop, runtime, work())
    while not events:
        gevent.sleep(0)
    working.kill()
    assert events == ["begun", "cleaned up"]


class TestHelpers:
    """turnout's own helpers inside a task of the loop."""

    def test_sleep_timeout_and_task_groups(self, runtime: GeventRuntime) -> None:
        async def work() -> list[str]:
            seen = []
            try:
                async with turnout.timeout(0.01):
                    await turnout.sleep(5)
            except TimeoutError:
                seen.append("timed out")
            async with turnout.TaskGroup() as group:
                first = group.spawn(asyncio.sleep(0.01, "asyncio's"))
                second = group.spawn(getcurrent)
            seen.append(await first)
            assert await second is not getcurrent()
            return seen

        assert in_loop(runtime, work()) == ["timed out", "asyncio's"]

    def test_a_spawned_function_may_block_its_greenlet(self, runtime: GeventRuntime) -> None:
        def block() -> str:
            blocking.sleep(0.01)
            assert current_runtime() is runtime
            return "blocked"

        async def work() -> tuple[str, int]:
            task = turnout.spawn(block)
            turns = 0
            while not task.done:
                await asyncio.sleep(0)
                turns += 1
            return await task, turns

        result = in_loop(runtime, work())
        assert isinstance(result, tuple)
        assert result[0] == "blocked"
        assert result[1] > 1

    def test_blocking_the_loop_is_refused(self, runtime: GeventRuntime) -> None:
        async def work() -> None:
            blocking.sleep(1)

        with pytest.raises(UsageError, match="await"):
            in_loop(runtime, work())


def test_there_is_one_loop_and_closing_it_cancels_its_tasks(runtime: GeventRuntime) -> None:
    event_loop = runtime.start_event_loop()
    assert runtime.start_event_loop() is event_loop
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("cancelled")

    working = gevent.spawn(in_loop, runtime, work())
    while not asyncio.all_tasks(event_loop.loop):
        gevent.sleep(0)
    runtime.close()
    assert ended == ["cancelled"]
    assert event_loop.loop.is_closed()
    with pytest.raises(asyncio.CancelledError):
        working.get()
    event_loop.close()
