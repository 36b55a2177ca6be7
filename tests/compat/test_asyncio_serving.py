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
