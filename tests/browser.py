"""Debian's Chromium, for the tests that look at a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["browser"]

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
