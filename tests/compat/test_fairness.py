"""Who waits gets his turn, who gives up gives it on, and who leaves waits for his children."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from tests.compat.test_primitives import DEADLINE, Run, run, run_on_asyncio, run_on_gevent

from turnout import Event, Lock, Queue, TaskGroup, join, sleep, spawn, timeout

__all__ = ["run"]
ROUNDS = 50


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what no event tells: that somebody stands in line."""
    async with timeout(DEADLINE):
        while not holds():
            await sleep(0.001)


def test_a_lock_is_had_in_the_order_of_asking(run: Run) -> None:
    """One that gives it back and asks again at once is the last in line, not the first."""

    async def main() -> list[str]:
        lock, order = Lock(), list[str]()

        async def patient() -> None:
            async with lock:
                order.append("patient")

        await lock.acquire()
        async with TaskGroup() as tasks:
            tasks.spawn(patient())
            await until(lambda: len(lock._token._waiting) == 1)
            lock.release()
            async with lock:
                order.append("greedy")
        return order

    assert run(main) == ["patient", "greedy"]


def test_every_consumer_of_a_queue_has_its_turn(run: Run) -> None:
    async def main() -> list[str]:
        queue: Queue[int] = Queue(1)
        order: list[str] = []

        async def consume(name: str) -> None:
            while await queue.get() >= 0:
                order.append(name)

        async with TaskGroup() as tasks:
            for name in ("one", "two"):
                tasks.spawn(consume(name))
            for number in range(4):
                await until(lambda: len(queue._ready._waiting) == 2)
                await queue.put(number)
            await queue.put(-1)
            await queue.put(-1)
        return order

    order = run(main)
    assert order in (["one", "two"] * 2, ["two", "one"] * 2)


def test_who_gives_up_passes_his_turn_on(run: Run) -> None:
    """Deadlines that end just when it is their turn lose nothing and nobody."""

    async def main() -> int:
        queue: Queue[int] = Queue(None)
        lock = Lock()
        taken: list[int] = []

        async def impatient() -> None:
            while len(taken) < ROUNDS:
                try:
                    async with timeout(0.001):
                        taken.append(await queue.get())
                except TimeoutError:
                    pass
                try:
                    async with timeout(0.001), lock:
                        await sleep(0)
                except TimeoutError:
                    pass

        async with TaskGroup() as tasks:
            for _ in range(3):
                tasks.spawn(impatient())
            for number in range(ROUNDS):
                await queue.put(number)
                await sleep(0.0005)
        assert not lock.locked
        return len(set(taken))

    assert run(main) == ROUNDS


@pytest.fixture(params=[run_on_asyncio, run_on_gevent])
def cancellable(request: pytest.FixtureRequest) -> Any:
    """Run where a task that was cancelled can still wait; on a thread every wait ends at once."""
    if request.param is run_on_gevent and importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed here; the gevent environment runs this")
    return request.param


class Child:
    """A task that takes a moment to end when it is cancelled."""

    def __init__(self) -> None:
        self.ended = False

    async def run(self) -> None:
        """Wait for ever."""
        try:
            await Event().wait()
        finally:
            self.ended = True


def test_a_group_that_is_cancelled_waits_for_its_tasks(cancellable: Run) -> None:
    async def main() -> list[bool]:
        child, seen = Child(), list[bool]()

        async def group() -> None:
            try:
                async with TaskGroup() as tasks:
                    tasks.spawn(child.run())
            finally:
                seen.append(child.ended)

        task = spawn(group())
        await sleep(0.01)
        task.cancel()
        with pytest.raises(BaseException):  # noqa: B017, PT011  # each runtime has its own
            await task
        return seen

    assert cancellable(main) == [True]


def test_a_join_that_is_cancelled_waits_for_both(cancellable: Run) -> None:
    async def main() -> list[bool]:
        children, seen = (Child(), Child()), list[bool]()

        async def both() -> None:
            try:
                await join(*(child.run() for child in children))
            finally:
                seen.extend(child.ended for child in children)

        task = spawn(both())
        await sleep(0.01)
        task.cancel()
        with pytest.raises(BaseException):  # noqa: B017, PT011  # each runtime has its own
            await task
        return seen

    assert cancellable(main) == [True, True]


def test_an_error_of_the_body_and_of_a_task(run: Run) -> None:
    """The body's is raised; nobody waits for ever."""

    async def fail(event: Any) -> None:
        event.set()
        raise ValueError("task")

    async def main() -> None:
        event = Event()
        async with TaskGroup() as tasks:
            tasks.spawn(fail(event))
            await event.wait()
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        run(main)
