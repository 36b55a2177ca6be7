"""A runtime on the hub of the test's own thread, and an end to every wait."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from turnout_compat.gevent_runtime import GeventRuntime


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """End a test that waits in vain, while the hub runs too."""
    with gevent.Timeout(10, TimeoutError("the test has waited ten seconds")):
        yield


@pytest.fixture
def runtime() -> Iterator[GeventRuntime]:
    """Return a runtime; its event loop, if one was started, is closed."""
    runtime = GeventRuntime()
    yield runtime
    runtime.close()
