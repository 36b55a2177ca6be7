"""Make the figures of the docs: `python -m tests.bench.page RUN.json ... --into PAGE ...`.

A run is what a benchmark has written for `--json`. Between its marker lines a page gets `budgets`,
beside what the runs of each Python have found, in their order, or `figures`, all of every run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.budgets import Run, budget_table, handshake_table
from tests.bench.ceilings import import_table, large_table, memory_table
from tests.bench.overview import overview
from tests.bench.report import Figures, Table

from turnout.testing.markdown import insert

COMMAND = "python -m tests.bench.page"
TABLES = (budget_table, handshake_table, memory_table, large_table, import_table)


def budgets(runs: Sequence[Run]) -> Iterator[str]:
    """Return, for each Python, the budgets and what its runs have found."""
    for python in dict.fromkeys(run["environment"]["python"] for run in runs):
        own = [run for run in runs if run["environment"]["python"] == python]
        shown = [one for made_of in TABLES if (one := made_of(own))]
        if shown:
            yield f"### CPython {python}\n"
        for one in shown:
            yield f"{one}\n"


def figures(runs: Sequence[Run]) -> Iterator[str]:
    """Return all that the runs have found, and with what."""
    for number, run in enumerate(runs, 1):
        made = run["environment"]
        versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
        yield f"## Run {number}: {made['date']}, Python {made['python']}\n"
        yield f"`{run['command']}`\n"
        yield f"{made['processors']} processors; {versions}.\n"
        yield from overview(run)
        for one in run["tables"]:
            rows = [Figures(**row) for row in one["rows"]]
            yield Table(one["title"], one["columns"], rows).markdown


def main(words: Sequence[str] | None = None) -> None:
    """Write the figures of all runs into pages, between their marker lines."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", action="append")
    options = parser.parse_args(words)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in options.runs]
    texts = {"budgets": "\n".join(budgets(runs)), "figures": "\n".join(figures(runs))}
    for path in options.into:
        page = insert(path.read_text(encoding="utf-8"), texts, COMMAND)
        if page is None:
            parser.error(f"{path} has no line <!-- figures: begin -->, and none of budgets")
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
