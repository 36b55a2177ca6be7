"""Every engine that is installed, or the one that the command line names; and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.browser import browser
from tests.demo.engines import Demo, installed_engines

__all__ = ["browser"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `demo_engine` on each engine."""
    if "demo_engine" not in metafunc.fixturenames:
        return
    name: str | None = metafunc.config.getoption("--engine", default=None)
    variant: str | None = metafunc.config.getoption("--strategy", default=None)
    if name is None:
        engines = installed_engines()
    else:
        engines = [(name,) if variant is None else (name, "--strategy", variant)]
    ids = [" ".join(engine).replace(" --strategy ", "-") for engine in engines]
    metafunc.parametrize("demo_engine", engines, ids=ids)


@pytest.fixture
def demo(demo_engine: tuple[str, ...]) -> Iterator[Demo]:
    """The demo on the engine."""
    with Demo(demo_engine) as running:
        yield running
