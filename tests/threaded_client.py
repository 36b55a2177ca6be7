"""The asyncio client of `websockets`, for tests that block.

Its own threaded client reads and writes one TLS connection from two threads at once. The CPythons
of this matrix do not guard that: one handshake in some hundreds hangs, against any server.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, Self, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection

__all__ = ["Client", "connect"]

T = TypeVar("T")
DEADLINE = 20.0


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of all clients; it runs in a thread of its own until the process ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="websockets-clients", daemon=True).start()
    return loop


def call(coroutine: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Run a coroutine in the loop; raise `TimeoutError` when it takes longer than that."""

    async def limited() -> T:
        async with asyncio.timeout(timeout):
            return await coroutine

    return asyncio.run_coroutine_threadsafe(limited(), event_loop()).result()


class Client:
    """One connection; the names are those of the threaded client."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def subprotocol(self) -> str | None:
        """The sub-protocol that was agreed on."""
        return self._connection.subprotocol

    @property
    def close_code(self) -> int | None:
        """The close code."""
        return self._connection.close_code

    @property
    def close_reason(self) -> str | None:
        """The close reason."""
        return self._connection.close_reason

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        call(self._connection.send(message), DEADLINE)

    def recv(self, timeout: float = DEADLINE) -> str | bytes:
        """Return the next message."""
        return call(self._connection.recv(), timeout)

    def ping(self) -> None:
        """Send a ping and wait for its pong."""

        async def ping() -> None:
            await (await self._connection.ping())

        call(ping(), DEADLINE)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait for the end."""
        call(self._connection.close(code, reason), DEADLINE)


def connect(url: str, **settings: Any) -> Client:
    """Connect; raises what `websockets.connect` raises."""

    async def connect() -> ClientConnection:
        return await open_connection(url, **settings)

    return Client(call(connect(), DEADLINE))
