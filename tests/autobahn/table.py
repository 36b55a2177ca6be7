"""Make the table of Autobahn results: `python -m tests.autobahn.table FOLDER --into PAGE`.

`FOLDER` is what `pytest tests/autobahn --all --bare --results FOLDER` has filled.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from tests.autobahn.catalogue import BARE_SERVERS, DEVIATIONS, ENGINES, Deviation
from tests.autobahn.verdicts import VERDICTS, Results

from turnout.testing.markdown import insert, table

COMMAND = "python -m tests.autobahn.table"
REGION = "Autobahn table"


def render(results: Iterable[Results]) -> str:
    """Return the table as Markdown, and below it what is behind the numbers."""
    found = {(one.name, one.bare): one for one in results}
    engines = [found[name, False] for name in ENGINES if (name, False) in found]
    alone = [found[name, True] for name in BARE_SERVERS if (name, True) in found]
    present = {one.name for one in engines}
    rows = [_row(f"turnout on {one.name}", one) for one in engines]
    rows += [_row(f"{one.name} alone", one) for one in alone]
    return "\n".join(
        [
            table(["server", "version", "cases", *VERDICTS], rows),
            "",
            "What is behind the numbers of turnout:",
            "",
            *(f"- {_reason(one, present)}" for one in DEVIATIONS if present & {*one.engines}),
            "",
            "And behind those of the servers alone:",
            "",
            *(f"- {one.name}: {_cases(one)}" for one in alone if _cases(one)),
        ]
    )


def _row(label: str, results: Results) -> list[str]:
    counts = [str(count or "") for count in results.counts]
    return [label, results.version, str(len(results.cases)), *counts]


def _reason(deviation: Deviation, present: set[str]) -> str:
    """Return what some of the engines do; what all do is said on the page."""
    engines = ", ".join(one for one in deviation.engines if one in present)
    cases = ", ".join(deviation.cases)
    return f"{engines}: {deviation.verdict} {cases}, because {deviation.reason}"


def _cases(results: Results) -> str:
    """Return the numbers of the cases that are neither OK nor informational."""
    rest = [(verdict, case) for case, verdict in results.cases.items()]
    rest = [one for one in rest if one[0] not in VERDICTS[:2]]
    rest.sort(key=lambda one: VERDICTS.index(one[0]))
    return "; ".join(
        f"{verdict} {', '.join(_shorten([case for _, case in cases]))}"
        for verdict, cases in groupby(rest, key=lambda one: one[0])
    )


def _shorten(cases: Sequence[str]) -> list[str]:
    """Return the numbers with `.*` for a group of compression cases that are all there."""
    short = []
    for group, members in groupby(cases, key=lambda case: case.rpartition(".")[0]):
        numbers = list(members)
        whole = group.startswith(("12.", "13.")) and len(numbers) == 18
        short += [f"{group}.*"] if whole else numbers
    return short


def main(words: Sequence[str] | None = None) -> int:
    """Read the results of a folder and write the table, and the same as JSON."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--into", type=Path, metavar="PAGE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(words)
    results = [Results.read(path) for path in sorted(arguments.folder.glob("*.json"))]
    if not results:
        parser.error("no results are there: run `pytest tests/autobahn --results` first")
    text = render(results)
    if arguments.json is not None:
        everything = [{**asdict(one), "counts": one.counts} for one in results]
        arguments.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    if arguments.into is None:
        print(text)
        return 0
    page = arguments.into.read_text(encoding="utf-8")
    written = insert(page, {REGION: text}, COMMAND)
    if written is None:
        parser.error(f"{arguments.into} has no lines `<!-- {REGION}: begin -->` and `: end -->`")
    arguments.into.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
