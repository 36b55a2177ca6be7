"""Every engine that is installed, or the one that the command line names; and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.demo.engines import Demo, installed_engines

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.fixture(scope="module")
def browser(requires: Callable[[str], Path]) -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Not for the session: as long as it is there, an event loop runs in this thread, and no test of
    another module could run its own.
    """
    chromium = requires("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield launched
        launched.close()
