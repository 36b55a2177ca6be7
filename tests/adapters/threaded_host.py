"""A WSGI server of threads, in a thread of the test's own process."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from turnout.testing.client import RawClient

DEADLINE = 20.0


class ThreadedServer(ABC):
    """A running server; `address` is where it listens."""

    address: tuple[str, int]

    def __init__(self, serve: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=serve)
        self._thread.start()

    def connect(self, target: str | None = None, **settings: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=DEADLINE, **settings)
        if target is not None:
            client.open(target)
        return client

    def close(self) -> None:
        """Stop."""
        self.stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    @abstractmethod
    def stop(self) -> None:
        """Have the server stop."""


RunServer = Callable[..., Any]


def started(kind: Callable[..., ThreadedServer]) -> Iterator[RunServer]:
    """Yield a function that starts a server of that kind; stop all that it has started."""
    running: list[ThreadedServer] = []

    def start(app: Any, **settings: Any) -> ThreadedServer:
        running.append(kind(app, **settings))
        return running[-1]

    yield start
    for server in running:
        server.close()
