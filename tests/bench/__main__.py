"""Measure: `python -m tests.bench echo --help`, and so on for each of the others."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from tests.bench import connections, driver, echo, large, latency, startup

BENCHMARKS: dict[str, Callable[[Sequence[str]], None]] = {
    "echo": echo.main,
    "connections": connections.main,
    "latency": latency.main,
    "large": large.main,
    "startup": startup.main,
    "driver": lambda _: driver.main(),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help="its own; try --help")
    chosen = parser.parse_args()
    BENCHMARKS[chosen.benchmark](chosen.words)
