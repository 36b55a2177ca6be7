"""uvicorn, serving in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.uvicorn.applications import Endpoints
from tests.adapters.uvicorn.running import RunningUvicorn

Run = Callable[..., RunningUvicorn]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Compare the driver with uvicorn's own implementations where the driver is under test."""
    other = config.getoption("--strategy", default=None) not in (None, "standard")
    return True if other and collection_path.name.startswith("test_foreign") else None


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
