"""What it takes to begin: `import turnout`, and `turnout serve` up to the first connection.

    python -m tests.bench.startup --engines wsproto,tornado --rounds 9

Processor time of fresh processes, in turns with the interpreter that does nothing; beside it the
time on the clock, which another process on the machine lengthens.

An installed package is compiled once. So all of them share a folder of compiled modules, which is
removed at the end, and the first run of each, which fills it, is discarded. That holds where
PYTHONDONTWRITEBYTECODE is set as well: it is not passed on.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.loader import connect, handshake
from tests.bench.report import Figures, Table, show
from tests.bench.servers import CORES, Subject, running, turnout
from tests.bench.usage import cpu_seconds

__all__ = ["BEGINNINGS", "IMPORT", "Began", "compiled_once", "main", "rounds_of"]

BEGINNINGS = "what a beginning takes, all modules compiled before"
"""The title of the table."""
NOTHING = "an interpreter that does nothing"
IMPORT = "import turnout"
COLUMNS = ("milliseconds of processor", "over nothing", "milliseconds on the clock")


@dataclass(frozen=True, slots=True)
class Began:
    """What one beginning took, in seconds."""

    processor: float
    clock: float


@contextmanager
def compiled_once() -> Iterator[None]:
    """Let all processes that are started meanwhile share a new folder of compiled modules."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def of_program(program: str) -> Began:
    """Return what a fresh interpreter takes for a program."""
    before, began = _used_by_children(), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdin=subprocess.DEVNULL)
    clock = time.perf_counter() - began
    return Began(_used_by_children() - before, clock)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_server(subject: Subject) -> Began:
    """Return what a server takes from its start to its first 101."""
    began = time.perf_counter()
    with running(subject) as server:
        connect(server.port, handshake(subject.path)).socket.close()
        return Began(cpu_seconds(server.pid), time.perf_counter() - began)


def beginnings(engines: str) -> dict[str, Callable[[], Began]]:
    """Return what is measured, by name."""
    servers = {f"turnout serve --engine {each}": turnout(each) for each in engines.split(",")}
    return {
        NOTHING: lambda: of_program("pass"),
        "import asyncio": lambda: of_program("import asyncio"),
        IMPORT: lambda: of_program("import turnout"),
        **{name: lambda subject=each: of_server(subject) for name, each in servers.items()},  # type: ignore[misc]  # a default argument
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto", help="NAME or NAME:VARIANT, by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    os.sched_setaffinity(0, {CORES[-1]})
    with compiled_once():
        runs = rounds_of(beginnings(options.engines), options.rounds)
    nothing = statistics.median(run.processor for run in runs[NOTHING])
    rows = [Figures(name, _values(found, nothing)) for name, found in runs.items()]
    show([Table(BEGINNINGS, COLUMNS, rows)], options.json)


def rounds_of(measured: Mapping[str, Callable[[], Began]], rounds: int) -> dict[str, list[Began]]:
    """Measure all in turns, the first round of them for nothing."""
    runs: dict[str, list[Began]] = {name: [] for name in measured}
    for _ in range(rounds + 1):
        for name, measure in measured.items():
            runs[name].append(measure())
    return {name: found[1:] for name, found in runs.items()}


def _values(found: list[Began], nothing: float) -> list[float | None]:
    processor = statistics.median(run.processor for run in found)
    clock = statistics.median(run.clock for run in found)
    return [processor * 1e3, (processor - nothing) * 1e3, clock * 1e3]


if __name__ == "__main__":
    main()
