"""The pieces of the gevent runtime: waiters, timers, tasks, timeouts, other threads."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

import gevent
import gevent.event
import pytest
from gevent.socket import socketpair
from greenlet import getcurrent

from turnout import ForeignAwaitableError, UsageError
from turnout.drive import drive
from turnout.runtime import Waiter
from turnout_compat.gevent_runtime import GeventRuntime

colour: ContextVar[str] = ContextVar("colour", default="none")


async def wait_for(waiter: Waiter) -> str:
    await waiter
    return "woken"


class TestWaiter:
    def test_wake_may_come_first(self, runtime: GeventRuntime) -> None:
        waiter = runtime.waiter()
        waiter.wake()
        assert drive(wait_for(waiter)) == "woken"

    def test_waiting_blocks_only_its_greenlet(self, runtime: GeventRuntime) -> None:
        waiter = runtime.waiter()
        order: list[str] = []
        waiting = gevent.spawn(lambda: order.append(drive(wait_for(waiter))))
        gevent.sleep(0)
        order.append("others ran")
        waiter.wake()
        waiter.wake()
        waiting.get()
        assert order == ["others ran", "woken"]

    def test_waking_never_runs_the_waiter_inside_the_caller(self, runtime: GeventRuntime) -> None:
        waiter = runtime.waiter()
        waiting = gevent.spawn(drive, wait_for(waiter))
        gevent.sleep(0)
        waiter.wake()
        assert not waiting.ready()
        assert waiting.get() == "woken"

    def test_one_who_was_killed_is_not_resumed(self, runtime: GeventRuntime) -> None:
        """One woken and interrupted in one turn must not disturb what its greenlet does next."""
        waiter, second = runtime.waiter(), runtime.waiter()

        def work() -> str:
            try:
                drive(wait_for(waiter))
            except ValueError:
                return drive(wait_for(second))
            return "not interrupted"

        working = gevent.spawn(work)
        gevent.sleep(0)
        runtime.hub.loop.run_callback(working.throw, ValueError)
        waiter.wake()
        gevent.sleep(0)
        gevent.sleep(0)
        assert not working.ready()
        second.wake()
        assert working.get() == "woken"

    def test_the_hub_may_not_wait(self, runtime: GeventRuntime) -> None:
        caught: list[BaseException] = []
        done = gevent.event.Event()

        def callback() -> None:
            try:
                drive(wait_for(runtime.waiter()))
            except UsageError as error:
                caught.append(error)
            done.set()

        runtime.call_later(0, callback)
        done.wait()
        assert "hub" in str(caught[0])


class TestTimer:
    def test_it_fires_after_its_delay_in_the_hub(self, runtime: GeventRuntime) -> None:
        fired: list[tuple[float, object]] = []
        waiter = runtime.waiter()

        def fire() -> None:
            fired.append((runtime.time(), getcurrent()))
            waiter.wake()

        begin = runtime.time()
        runtime.call_later(0.05, fire)
        drive(wait_for(waiter))
        ((when, where),) = fired
        assert when - begin >= 0.05
        assert where is runtime.hub

    def test_a_cancelled_one_does_not(self, runtime: GeventRuntime) -> None:
        fired: list[str] = []
        timer = runtime.call_later(0.01, lambda: fired.append("cancelled"))
        runtime.call_later(0.02, lambda: fired.append("other"))
        timer.cancel()
        timer.cancel()
        waiter = runtime.waiter()
        runtime.call_later(0.03, waiter.wake)
        drive(wait_for(waiter))
        assert fired == ["other"]

    def test_cancelling_after_it_fired_is_harmless(self, runtime: GeventRuntime) -> None:
        waiter = runtime.waiter()
        timer = runtime.call_later(0, waiter.wake)
        drive(wait_for(waiter))
        timer.cancel()

    def test_timers_that_begin_each_other_let_sockets_be_served(
        self, runtime: GeventRuntime
    ) -> None:
        near, far = socketpair()
        turns = 0
        far.sendall(b"x")
        received = gevent.spawn(near.recv, 1)

        def again() -> None:
            nonlocal turns
            turns += 1
            if not received.ready():
                runtime.call_later(0, again)

        runtime.call_later(0, again)
        assert received.get() == b"x"
        assert turns < 20
        near.close()
        far.close()


class TestTask:
    def test_its_result(self, runtime: GeventRuntime) -> None:
        async def work() -> int:
            await runtime.checkpoint()
            return 42

        async def main() -> int:
            return await runtime.spawn(work())

        assert drive(main()) == 42

    def test_its_error_is_raised_where_it_is_awaited_and_printed_nowhere(
        self, runtime: GeventRuntime, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async def main() -> None:
            await runtime.spawn_plain(lambda: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            drive(main())
        assert capfd.readouterr() == ("", "")

    def test_an_error_that_nobody_asks_for_is_logged(
        self, runtime: GeventRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR, "turnout.task"):
            ended = runtime.waiter()
            runtime.spawn_plain(lambda: 1 / 0, name="divider").on_done(ended.wake)
            drive(wait_for(ended))
            gevent.sleep(0)
            gc.collect()
        assert "the task divider raised" in caplog.text
        assert "ZeroDivisionError" in caplog.text

    def test_cancelling_raises_where_it_waits(self, runtime: GeventRuntime) -> None:
        ended: list[str] = []

        async def work() -> None:
            try:
                await runtime.waiter()
            finally:
                ended.append("cleaned up")

        async def main() -> None:
            task = runtime.spawn(work())
            await runtime.checkpoint()
            task.cancel()
            with pytest.raises(gevent.GreenletExit):
                await task
            assert task.done
            assert isinstance(task.error, gevent.GreenletExit)

        drive(main())
        assert ended == ["cleaned up"]

    def test_one_that_has_not_begun_never_begins(self, runtime: GeventRuntime) -> None:
        begun: list[str] = []

        async def work() -> None:
            begun.append("begun")

        async def main() -> None:
            task = runtime.spawn(work())
            task.cancel()
            with pytest.raises(gevent.GreenletExit):
                await task
            await runtime.checkpoint()

        drive(main())
        gc.collect()  # a coroutine that was never awaited would warn here
        assert begun == []

    def test_on_done_is_called_whether_it_has_ended_or_not(self, runtime: GeventRuntime) -> None:
        calls: list[str] = []

        async def main() -> None:
            task = runtime.spawn_plain(lambda: None)
            task.on_done(lambda: calls.append("before"))
            await task
            task.on_done(lambda: calls.append("after"))
            assert calls == ["before"]
            await runtime.checkpoint()

        drive(main())
        assert calls == ["before", "after"]

    def test_it_runs_in_a_copy_of_the_context(self, runtime: GeventRuntime) -> None:
        async def work() -> str:
            inherited = colour.get()
            colour.set("its own")
            return inherited

        async def main() -> tuple[str, str]:
            colour.set("of the caller")
            return await runtime.spawn(work()), colour.get()

        assert gevent.spawn(drive, main()).get() == ("of the caller", "of the caller")


class TestTimeout:
    def test_it_ends_a_wait(self, runtime: GeventRuntime) -> None:
        async def main() -> None:
            async with runtime.timeout(0.01):
                await runtime.waiter()

        with pytest.raises(TimeoutError):
            drive(main())

    def test_it_ends_whatever_blocks_on_gevent(self, runtime: GeventRuntime) -> None:
        async def main() -> None:
            async with runtime.timeout(0.01):
                gevent.sleep(5)

        with pytest.raises(TimeoutError):
            drive(main())

    def test_a_body_that_ends_in_time_is_left_alone(self, runtime: GeventRuntime) -> None:
        async def main() -> None:
            async with runtime.timeout(0.02):
                await runtime.checkpoint()
            gevent.sleep(0.04)

        drive(main())

    def test_the_outer_one_passes_through_the_inner(self, runtime: GeventRuntime) -> None:
        async def main() -> str:
            try:
                async with runtime.timeout(0.01):
                    async with runtime.timeout(5):
                        await runtime.waiter()
            except TimeoutError:
                return "outer"
            return "none"

        assert drive(main()) == "outer"

    def test_errors_of_the_body_stay_what_they_are(self, runtime: GeventRuntime) -> None:
        async def main() -> None:
            async with runtime.timeout(5):
                raise KeyError("mine")

        with pytest.raises(KeyError):
            drive(main())


class Native(threading.Thread):
    """A thread of the system that runs one function."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self._function = function
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._function()
        except BaseException as error:  # looked at by the test
            self.outcome = error

    def result(self) -> Any:
        """Wait for the end while the hub of the test runs."""
        while self.is_alive():
            gevent.sleep(0.001)
        self.join()
        return self.outcome


class TestOtherThreads:
    def test_call_inside_calls_in_the_hubs_thread(self, runtime: GeventRuntime) -> None:
        called: gevent.event.AsyncResult[int] = gevent.event.AsyncResult()
        thread = Native(lambda: runtime.call_inside(lambda: called.set(threading.get_ident())))
        assert called.get() == threading.get_ident()
        thread.result()

    def test_call_inside_calls_at_once_from_inside(self, runtime: GeventRuntime) -> None:
        called: list[str] = []
        runtime.call_inside(lambda: called.append("called"))
        assert called == ["called"]

    def test_call_blocking_runs_in_the_hub_and_blocks_the_thread(
        self, runtime: GeventRuntime
    ) -> None:
        async def work() -> tuple[int, str]:
            await runtime.checkpoint()
            return threading.get_ident(), colour.get()

        def outside() -> tuple[int, str]:
            colour.set("of the thread")
            return runtime.call_blocking(work())

        thread = Native(outside)
        assert thread.result() == (threading.get_ident(), "of the thread")

    def test_call_blocking_raises_what_the_coroutine_raised(self, runtime: GeventRuntime) -> None:
        async def work() -> None:
            raise KeyError("theirs")

        assert isinstance(Native(lambda: runtime.call_blocking(work())).result(), KeyError)

    def test_call_blocking_from_inside_drives(self, runtime: GeventRuntime) -> None:
        async def work() -> object:
            return getcurrent()

        assert runtime.call_blocking(work()) is getcurrent()


class TestForeignAwaitables:
    def test_what_only_a_loop_can_complete_is_named(self) -> None:
        class Foreign:
            def __await__(self) -> Generator[object, None, None]:
                yield object()

        async def work() -> None:
            await Foreign()

        with pytest.raises(ForeignAwaitableError, match='async_runtime="asyncio"'):
            drive(work())

    def test_asyncio_without_its_loop_is_explained(self) -> None:
        import asyncio

        with pytest.raises(ForeignAwaitableError, match=r"turnout\.sleep"):
            drive(asyncio.sleep(1))


def test_the_clock_is_monotonic(runtime: GeventRuntime) -> None:
    assert abs(runtime.time() - time.monotonic()) < 1


def test_a_plain_function_runs_where_it_is(runtime: GeventRuntime) -> None:
    assert drive(runtime.run_plain(getcurrent, name="here")) is getcurrent()
