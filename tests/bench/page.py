"""Make the figures of a page: `python -m tests.bench.page RUN.json ... --into PAGE`.

A run is what a benchmark has written for `--json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.budgets import budget_table
from tests.bench.report import Figures, Table

from turnout.testing.markdown import insert

COMMAND = "python -m tests.bench.page"
REGION = "figures"


def render(runs: Iterable[Mapping[str, Any]]) -> str:
    """Return each run: with what it was made, the budgets that it is about, all that it found."""
    return "\n".join(line for run in runs for line in _lines(run))


def _lines(run: Mapping[str, Any]) -> Iterator[str]:
    made = run["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    yield f"## {run['command']}\n"
    yield f"{made['date']}, Python {made['python']}, {made['processors']} processors; {versions}.\n"
    budgets = budget_table(run["tables"])
    if budgets:
        yield f"{budgets}\n"
    for one in run["tables"]:
        rows = [Figures(**row) for row in one["rows"]]
        yield Table(one["title"], one["columns"], rows).markdown


def main(words: Sequence[str] | None = None) -> None:
    """Write the figures of all runs into a page, between its marker lines."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE")
    options = parser.parse_args(words)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in options.runs]
    page = insert(options.into.read_text(encoding="utf-8"), {REGION: render(runs)}, COMMAND)
    if page is None:
        parser.error(f"{options.into} has no line <!-- {REGION}: begin -->")
    options.into.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
