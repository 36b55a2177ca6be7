"""The demo as a process of its own, on any engine."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

from turnout import EngineNotInstalledError, plugins

__all__ = ["Demo", "installed_engines"]

DEADLINE = 30.0


def installed_engines() -> list[tuple[str, ...]]:
    """Return the words of the command line that choose each engine that is installed here."""
    found: list[tuple[str, ...]] = []
    for name in plugins.names():
        try:
            variants = plugins.find(name).load().variants
        except EngineNotInstalledError:
            continue
        found += [(name, "--strategy", variant) for variant in variants] or [(name,)]
    return found


class Demo:
    """A running `turnout demo`; `url` is its page."""

    def __init__(self, engine: tuple[str, ...], port: int = 0) -> None:
        command = [sys.executable, "-m", "turnout.cli", "demo", "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--engine", *engine],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        watchdog = threading.Timer(DEADLINE, self.process.kill)
        watchdog.start()
        self.lines = [self.process.stdout.readline() for _ in range(2)]
        watchdog.cancel()
        found = re.search(r"open (http://127\.0\.0\.1:(\d+)/) in", self.lines[1])
        assert found is not None, self.process.communicate(timeout=DEADLINE)
        self.url, self.port = found[1], int(found[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it in order; raise `AssertionError` when it complains."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=DEADLINE)
        assert (self.process.returncode, errors) == (0, "")
