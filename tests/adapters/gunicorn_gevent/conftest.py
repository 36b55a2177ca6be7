"""gunicorn, started by its own command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from tests.command_lines import CommandLine

HERE = Path(__file__).parent
# Newer ones have a socket in the home directory by which they can be controlled.
ALONE = ["--no-control-socket"] if "control_socket" in Config().settings else []
Run = Callable[..., CommandLine]


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that starts `gunicorn -k gevent` with more arguments."""
    running: list[CommandLine] = []

    def start(
        *arguments: str, app: str = "application", worker: str = "gevent", bind: str = "127.0.0.1:0"
    ) -> CommandLine:
        command = ["gunicorn", "-k", worker, "-b", bind, *ALONE, *arguments]
        running.append(CommandLine([*command, f"application:{app}"], directory=HERE))
        return running[-1]

    yield start
    for one in running:
        one.kill()


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[CommandLine]:
    """Run one gunicorn for all tests of a module that leave it as it is."""
    command = ["gunicorn", "-k", "gevent", "-b", "127.0.0.1:0", "--access-logfile", "-"]
    with CommandLine([*command, *ALONE, "application:application"], directory=HERE) as running:
        yield running
        assert running.stop() == 0
