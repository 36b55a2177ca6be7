"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"  # Debian keeps nginx out of a user's PATH


def pytest_configure() -> None:
    """Let servers that tests start be interrupted: a shell ignores SIGINT for its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def requires() -> Callable[[str], Path]:
    """Return a function that finds a program, as in `requires("nginx")`.

    Where it is missing, the test is skipped with the reason; with CI=true in the environment it
    fails, so that no green run of CI has left a test out.
    """

    def find(tool: str) -> Path:
        path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:{SYSTEM_DIRECTORIES}")
        if path is not None:
            return Path(path)
        reason = f"{tool} is not installed (Debian: apt-get install {tool})"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and CI may not skip")
        pytest.skip(reason)

    return find
