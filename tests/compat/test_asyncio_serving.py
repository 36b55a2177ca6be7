"""Where serving on asyncio may be asked for."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

import turnout
from turnout import UsageError, WebSocketHandlerRegistry
from turnout_compat.asyncio_serving import termination


@pytest.mark.parametrize("engine", ["wsproto", "aiohttp", "tornado"])
def test_outside_the_main_thread_no_signal_would_end_it(engine: str) -> None:
    errors: list[UsageError] = []

    def serve() -> None:
        with pytest.raises(UsageError, match="serve there, or mount") as raised:
            turnout.serve(WebSocketHandlerRegistry(), engine, port=0)
        errors.append(raised.value)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(20)
    assert errors


def test_the_handlers_of_signals_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)

    async def serve() -> None:
        async with termination() as asked:
            assert signal.getsignal(signal.SIGINT) != before
            signal.raise_signal(signal.SIGINT)
            async with asyncio.timeout(10):
                await asked.wait()

    asyncio.run(serve())
    assert signal.getsignal(signal.SIGINT) == before


def test_signal_that_reaches_another_thread_wakes_the_loop() -> None:
    """So does one that comes while the loop is about to sleep, which no test can arrange."""

    def end() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    async def serve() -> None:
        async with termination() as asked:
            asyncio.get_running_loop().call_soon(threading.Timer(0.05, end).start)
            await asked.wait()

    asyncio.run(serve())


def test_nothing_is_woken_any_more_afterwards() -> None:
    async def serve() -> None:
        async with termination():
            outer = signal.set_wakeup_fd(-1)
            assert outer != -1
            signal.set_wakeup_fd(outer)

    asyncio.run(serve())
    assert signal.set_wakeup_fd(-1) == -1


def test_loop_whose_own_signals_wake_it_keeps_them() -> None:
    async def serve() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        async with asyncio.timeout(10), termination() as asked:
            signal.raise_signal(signal.SIGUSR1)
            await heard.wait()
            signal.raise_signal(signal.SIGTERM)
            await asked.wait()

    asyncio.run(serve())
