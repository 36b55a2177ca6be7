"""The suite in a process of its own: progress comes on a pipe, the report in a file.

So pytest may print what it likes, no plugin of the environment takes part, and what ends the suite
does not end the program that wants its report.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from turnout.testing.conformance import pytest_options
from turnout.testing.deadlines import DEADLINE

__all__ = ["SuiteCommand", "SuiteRun"]

TIME_LIMIT = max(120.0, 6 * DEADLINE)
"""Seconds for one test: more than its own deadlines add up to."""
END_DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCommand:
    """What to run: `only` names rows and tests, `further` is for pytest itself."""

    engine: str
    strategy: str | None = None
    subject: str | None = None
    only: tuple[str, ...] = ()
    keep_going: bool = False
    """Run every test, also where no more can pass."""
    verbose: bool = False
    """Let pytest print."""
    further: tuple[str, ...] = ()

    def argv(self, report: Path, progress: int) -> list[str]:
        """Return the command line."""
        words = [sys.executable, "-m", "pytest", "-p", "timeout", f"--timeout={TIME_LIMIT:g}"]
        words += pytest_options(self.engine, self.strategy, report)
        words += ["--turnout-progress", str(progress)]
        words += [] if self.subject is None else ["--subject", self.subject]
        words += [] if self.keep_going else ["--turnout-watch"]
        for name in self.only:
            words += ["--turnout-only", name]
        return [*words, *self.further]


class SuiteRun:
    """A run of the suite; use it as a context manager, which ends it whatever happens."""

    def __init__(self, command: SuiteCommand, folder: Path) -> None:
        self._report = folder / "report.json"
        self._output = folder / "output.txt"
        self._command = command

    def __enter__(self) -> Self:
        self._read_end, write_end = os.pipe()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                self._command.argv(self._report, write_end),
                stdin=subprocess.DEVNULL,
                stdout=None if self._command.verbose else output,
                stderr=None if self._command.verbose else subprocess.STDOUT,
                env=_environment(),
                pass_fds=(write_end,),
            )
        os.close(write_end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # the suite then ends its servers
        try:
            self._process.wait(END_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def progress(self) -> Iterator[dict[str, Any]]:
        """Yield what the suite tells: first how many tests there are, then each as it ends."""
        with os.fdopen(self._read_end, "rb") as lines:
            for line in lines:
                yield json.loads(line)

    def report(self) -> dict[str, Any] | None:
        """Wait for the end; return the report, or None where the suite has not come so far."""
        self._process.wait(END_DEADLINE)
        if not self._report.exists():
            return None
        found: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        return found

    @property
    def output(self) -> str:
        """What pytest has printed, unless everybody could see it."""
        return self._output.read_text(encoding="utf-8", errors="replace")


def _environment() -> dict[str, str]:
    """Return the environment without what would change how pytest runs."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
