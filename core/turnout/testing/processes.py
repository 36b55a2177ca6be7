"""What the server's processes take of the machine, as the operating system counts it.

Where there is a `/proc`, it is read; elsewhere `ps` is asked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

__all__ = [
    "MemoryWatch",
    "Process",
    "family_of",
    "largest_send_buffer",
    "memory_of",
    "processes",
    "seconds_of",
    "standing_still",
]

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "stat").exists()
SAMPLES_EVERY = 0.005
"""Seconds."""
USUAL_SEND_BUFFER = 8 * 1024 * 1024
"""What systems allow that have no `/proc` to ask."""


class Process(NamedTuple):
    """One process; `memory` is resident, in bytes, `seconds` are of processor time so far."""

    pid: int
    parent: int
    memory: int
    seconds: float


def family_of(pid: int) -> list[int]:
    """Return a process and all that it has started: servers may work in children of theirs."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in _every_process():
        children[process.parent].append(process.pid)
    family = [pid]
    for member in family:
        family += children[member]
    return family


def processes(pids: list[int]) -> list[Process]:
    """Return what there is to know of those that still run."""
    return list(_from_proc(pids) if HAS_PROC else _from_ps("-p", ",".join(map(str, pids))))


def memory_of(pids: list[int]) -> int:
    """Return how many bytes processes hold together."""
    return sum(process.memory for process in processes(pids))


def seconds_of(pids: list[int]) -> float:
    """Return how much processor time processes have taken together."""
    return sum(process.seconds for process in processes(pids))


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Hold a process and all that it has started still within a `with` block.

    What the kernel does for them goes on: connections are accepted, bytes and resets arrive, and
    the processes find all of it together when the block ends.
    """
    family = family_of(pid)
    try:
        for member in family:
            os.kill(member, signal.SIGSTOP)
        yield
    finally:
        for member in family:
            with suppress(ProcessLookupError):  # it had ended before it could be stopped
                os.kill(member, signal.SIGCONT)


class MemoryWatch:
    """Measures within a `with` block by how much the memory of a process and its children grew.

    It samples, so a growth of a moment counts that is gone again when the block ends.
    """

    def __init__(self, pid: int) -> None:
        self._pids = family_of(pid)
        self._before = 0
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)

    @property
    def growth(self) -> int:
        """How many bytes more there were at the worst moment than at the beginning."""
        return self._peak - self._before

    def __enter__(self) -> Self:
        self._before = self._peak = memory_of(self._pids)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(SAMPLES_EVERY)  # the last sample is taken at the end
            self._peak = max(self._peak, memory_of(self._pids))


def largest_send_buffer() -> int:
    """Return how many bytes the kernel may take from a process for a peer that does not read."""
    limits = PROC / "sys/net/ipv4/tcp_wmem"
    return int(limits.read_text().split()[2]) if limits.exists() else USUAL_SEND_BUFFER


def _every_process() -> Iterator[Process]:
    if HAS_PROC:
        return _from_proc([int(one.name) for one in PROC.iterdir() if one.name.isdigit()])
    return _from_ps("-A")


def _from_proc(pids: list[int]) -> Iterator[Process]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for pid in pids:
        try:
            line = (PROC / str(pid) / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        # See proc(5): the name of the program, in parentheses, may hold anything.
        fields = line.rpartition(")")[2].split()
        parent, user, system, pages = (int(fields[at]) for at in (1, 11, 12, 21))
        yield Process(pid, parent, pages * page, (user + system) / ticks)


def _from_ps(*which: str) -> Iterator[Process]:
    command = ["ps", *which, "-o", "pid=,ppid=,rss=,time="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    for line in listed.stdout.splitlines():
        pid, parent, kilobytes, time = line.split()
        yield Process(int(pid), int(parent), int(kilobytes) * 1024, _seconds(time))


def _seconds(time: str) -> float:
    """Read `[[days-]hours:]minutes:seconds`."""
    days, _, clock = time.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86400
