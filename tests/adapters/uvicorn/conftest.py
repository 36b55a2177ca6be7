"""uvicorn, serving in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.adapters.uvicorn.applications import Endpoints
from tests.adapters.uvicorn.running import RunningUvicorn

Run = Callable[..., RunningUvicorn]


@pytest.fixture
def endpoints() -> Endpoints:
    """The WebSockets of the application."""
    return Endpoints()


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that serves an application; settings are those of `uvicorn.Config`."""
    running: list[RunningUvicorn] = []

    def start(app: Any, **settings: Any) -> RunningUvicorn:
        running.append(RunningUvicorn(app, **settings))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(params=["h11", "httptools"])
def http(request: pytest.FixtureRequest) -> str:
    """uvicorn's implementations of HTTP, which hand a request over."""
    return str(request.param)
