"""cheroot's own server in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cheroot.wsgi import Server

from turnout.testing.client import RawClient

DEADLINE = 20.0


class Running:
    """A server with an application."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.server = Server(("127.0.0.1", 0), app, **{"numthreads": 4, **settings})
        self.errors: list[str] = []
        server: Any = self.server
        server.error_log = lambda msg="", level=20, traceback=False: self.errors.append(msg)
        self.server.prepare()
        self.address: tuple[str, int] = self.server.bind_addr
        self._thread = threading.Thread(target=self.server.serve)
        self._thread.start()

    def connect(self, target: str | None = None) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=DEADLINE)
        if target is not None:
            client.open(target)
        return client

    def close(self) -> None:
        """Stop."""
        self.server.stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


RunServer = Callable[..., Running]


@pytest.fixture
def run_server() -> Iterator[RunServer]:
    """Return a function that starts a server; see `Running`."""
    running: list[Running] = []

    def start(app: Any, **settings: Any) -> Running:
        running.append(Running(app, **settings))
        return running[-1]

    yield start
    for server in running:
        server.close()
