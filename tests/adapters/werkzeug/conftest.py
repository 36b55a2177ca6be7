"""Werkzeug's own server in a thread, as `run_simple` and `flask run` start it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.adapters.threaded_host import RunServer, ThreadedServer, started
from werkzeug.serving import make_server


class Running(ThreadedServer):
    """A server with an application."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.server = make_server("127.0.0.1", 0, app, **{"threaded": True, **settings})
        self.address = ("127.0.0.1", self.server.port)
        super().__init__(partial(self.server.serve_forever, 0.01))

    def stop(self) -> None:
        """Have the server stop."""
        self.server.shutdown()


@pytest.fixture
def run_server() -> Iterator[RunServer]:
    """Return a function that starts a server; see `Running`."""
    yield from started(Running)
