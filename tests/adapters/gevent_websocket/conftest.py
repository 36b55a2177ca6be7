"""Servers for the tests of this engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.adapters.pywsgi_host import RunningServer

RunServer = Callable[..., RunningServer]


@pytest.fixture
def run_server() -> Iterator[RunServer]:
    """Return a function that starts a server; see `RunningServer`."""
    running: list[RunningServer] = []

    def start(make: Callable[[], Any], **settings: Any) -> RunningServer:
        running.append(RunningServer(make, **settings))
        return running[-1]

    yield start
    for server in running:
        server.close()
