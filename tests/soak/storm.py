"""The storm: processes of clients that are killed, stopped, continued and replaced at random."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FEWEST_PROCESSES", "Plan", "Storm", "StormError"]

BETWEEN_STROKES = (0.5, 3.0)
"""Seconds between two strokes against client processes."""
LONGEST_STOP = 8.0
"""Seconds that a stopped process stands still: longer than pings are waited for."""
FEWEST_PROCESSES = 4
SHARE_OF_KILLS = 0.5
WAITS_AT_THE_END = 4
"""How many things, one after the other, a client may still wait for when it is asked to end."""


class StormError(Exception):
    """The storm itself has failed: what it says of the server is worth nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of a storm: `connections` at a time, `rate` messages a second in all."""

    connections: int
    rate: float
    messages: int
    paths: tuple[str, ...]
    deflate: bool
    violation_codes: bool = True
    """Whether the server says 1002 where a client breaks the protocol."""
    patience: float = 60.0
    """Seconds for an answer on a busy machine; later it counts as never."""
    processes: int = FEWEST_PROCESSES
    seed: int = 0

    def command(self, port: int, folder: Path, name: int) -> list[str]:
        """Return the command line of one process of clients."""
        options = {
            "port": port,
            "folder": folder,
            "name": name,
            "slots": self.connections // self.processes,
            "patience": self.patience,
            "rate": self.rate / self.processes,
            "messages": self.messages,
            "seed": self.seed,
        }
        flags = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        able = {"--deflate": self.deflate, "--violation-codes": self.violation_codes}
        more = [flag for flag, is_able in able.items() if is_able]
        return [sys.executable, "-m", "tests.soak.clients", *flags, *more, "--paths", *self.paths]


@dataclass(slots=True)
class Storm:
    """Client processes against a port; what they note is in `folder`."""

    plan: Plan
    port: int
    folder: Path
    killed: int = 0
    """Processes killed without a word."""
    stopped: int = 0
    """Processes stopped for a while, then continued or killed."""
    _names: int = 0
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _still: dict[int, float] = field(default_factory=dict)

    def blow(self, seconds: float, goes_on: Callable[[], bool]) -> None:
        """Let it blow for so long, while `goes_on()` between the strokes; then end every client."""
        chance = random.Random(self.plan.seed)
        end = time.monotonic() + seconds
        try:
            while len(self._running) < self.plan.processes:
                self._begin_process()
            while (left := end - time.monotonic()) > 0 and goes_on():
                threading.Event().wait(min(left, chance.uniform(*BETWEEN_STROKES)))
                self._continue_stopped(chance)
                self._strike(chance)
            self._end_all()
        finally:
            for process in self._running:
                process.kill()
                process.wait()
            self._running.clear()

    def _begin_process(self) -> None:
        self._names += 1
        command = self.plan.command(self.port, self.folder, self._names)
        log = (self.folder / f"{self._names}.log").open("wb")
        with log:
            self._running.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _strike(self, chance: random.Random) -> None:
        """Kill one process or stop it; the others go on."""
        self._check_running()
        process = chance.choice(self._running)
        if process.pid in self._still:
            return
        if chance.random() < SHARE_OF_KILLS:
            self._kill(process)
        else:
            process.send_signal(signal.SIGSTOP)
            self.stopped += 1
            self._still[process.pid] = time.monotonic() + chance.uniform(0, LONGEST_STOP)

    def _continue_stopped(self, chance: random.Random) -> None:
        for process in list(self._running):
            until = self._still.get(process.pid)
            if until is None or until > time.monotonic():
                continue
            del self._still[process.pid]
            if chance.random() < SHARE_OF_KILLS:
                self._kill(process)
            else:
                process.send_signal(signal.SIGCONT)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self.killed += 1
        self._running.remove(process)
        self._begin_process()

    def _check_running(self) -> None:
        for process in self._running:
            if process.poll() is not None:
                raise StormError(f"a process of clients has ended by itself: {self._logs()}")

    def _end_all(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                status = process.wait(WAITS_AT_THE_END * self.plan.patience)
            except subprocess.TimeoutExpired:
                raise StormError("a process of clients does not end") from None
            if status not in (0, -signal.SIGTERM):  # the latter while it was still starting
                raise StormError(f"a process of clients has ended with {status}: {self._logs()}")
        self._running.clear()

    def _logs(self) -> str:
        return "".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
