"""What serving on asyncio has in common, whatever the server: signals and an orderly end."""

from __future__ import annotations

import asyncio
import signal

__all__ = ["termination"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class termination:  # noqa: N801  # reads as a verb in `async with`
    """Within `async with termination() as asked`, SIGINT and SIGTERM only set the event `asked`.

    A second signal while the server drains raises `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    async def __aenter__(self) -> asyncio.Event:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._ask)
        return self._asked

    async def __aexit__(self, *exc_info: object) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _ask(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
