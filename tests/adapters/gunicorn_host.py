"""gunicorn, started by its own command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from tests.command_lines import CommandLine

__all__ = ["Run", "gunicorn", "run"]

ROOT = Path(__file__).parents[2]  # where `tests` is found by the applications
# Newer ones have a socket in the home directory by which they can be controlled.
ALONE = ["--no-control-socket"] if "control_socket" in Config().settings else []
Run = Callable[..., CommandLine]


class Starter:
    """Starts `gunicorn -k WORKER` with more arguments, and ends all that it has started."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._running: list[CommandLine] = []

    def __call__(
        self,
        *arguments: str,
        app: str = "application",
        worker: str | None = None,
        threads: int = 4,
        bind: str = "127.0.0.1:0",
    ) -> CommandLine:
        """Start one; `threads` count for the worker `gthread` alone."""
        command = ["gunicorn", "-k", worker or self._worker, "--threads", str(threads), "-b", bind]
        options = [*command, *ALONE, "--access-logfile", "-", *arguments]
        module = f"tests.adapters.gunicorn_{self._worker}.application"
        self._running.append(CommandLine([*options, f"{module}:{app}"], directory=ROOT))
        return self._running[-1]

    def close(self) -> None:
        """End all."""
        for one in self._running:
            one.kill()


def worker_of(request: pytest.FixtureRequest) -> str:
    """Return the worker that the folder of a test is for."""
    return Path(request.node.path).parent.name.removeprefix("gunicorn_")


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Return a function that starts gunicorn; see `Starter`."""
    starter = Starter(worker_of(request))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def gunicorn(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """Run one gunicorn for all tests of a module that leave it as it is."""
    starter = Starter(worker_of(request))
    try:
        running = starter()
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.output
    finally:
        starter.close()
