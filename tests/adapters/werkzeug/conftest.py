"""Werkzeug's own server in a thread, as `run_simple` and `flask run` start it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from turnout.testing.client import RawClient

DEADLINE = 20.0


class Running:
    """A server with an application; `finished` counts the requests that it is through with."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.server = make_server("127.0.0.1", 0, app, **{"threaded": True, **settings})
        self.address = ("127.0.0.1", self.server.port)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def connect(self, target: str | None = None, **settings: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=DEADLINE, **settings)
        if target is not None:
            client.open(target)
        return client

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
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
