"""gunicorn, started by its own command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.command_lines import CommandLine

HERE = Path(__file__).parent
Run = Callable[..., CommandLine]


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that starts `gunicorn -k gthread` with more arguments."""
    running: list[CommandLine] = []

    def start(
        *arguments: str, app: str = "application", worker: str = "gthread", threads: int = 4
    ) -> CommandLine:
        command = ["gunicorn", "-k", worker, "--threads", str(threads), "-b", "127.0.0.1:0"]
        options = [*command, "--no-control-socket", "--access-logfile", "-", *arguments]
        running.append(CommandLine([*options, f"application:{app}"], directory=HERE))
        return running[-1]

    yield start
    for one in running:
        one.kill()
