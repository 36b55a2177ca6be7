"""Make the compatibility table of the reports: `python -m turnout.testing.table REPORT ...`.

A report is what `turnout conformance NAME --json FILE` or `pytest --report FILE` writes; a folder
stands for all that are in it. Several reports of one engine, of different Pythons, make one column:
the worst outcome counts.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from turnout.capabilities import Capabilities
from turnout.testing.rows import Row

__all__ = ["main", "render"]

JsonReport: TypeAlias = dict[str, Any]

MARKS = {"passed": "✓", "failed": "✗", "not run": "?"}
WORST_FIRST = ("failed", "not run", "declared away", "passed")
MEANINGS = {one.name: str(one.metadata.get("meaning", "")) for one in fields(Capabilities)}


def render(reports: Iterable[JsonReport]) -> str:
    """Return the table as Markdown, with a note for each thing that an engine declares away."""
    columns: dict[str, list[JsonReport]] = defaultdict(list)
    for report in reports:
        columns[_label(report)].append(report)
    notes: list[str] = []
    lines = [_line(["", *columns]), _line(["---", *[":---:"] * len(columns)])]
    for row in Row:
        cells = [_cell(label, row, runs, notes) for label, runs in columns.items()]
        lines.append(_line([row.value, *cells]))
    lines.append(_line(["server", *map(_versions, columns.values())]))
    lines.append(_line(["Python", *map(_pythons, columns.values())]))
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([*lines, "", *numbered]).rstrip() + "\n"


def _label(report: JsonReport) -> str:
    return " ".join(filter(None, (report["engine"], report["strategy"])))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(label: str, row: Row, runs: Sequence[JsonReport], notes: list[str]) -> str:
    found = [run["rows"][row.name] for run in runs]
    worst = min((one["outcome"] for one in found), key=WORST_FIRST.index)
    if worst != "declared away":
        return MARKS[worst]
    note = f"{label}: {'; '.join(_reasons(found))}"
    if note not in notes:
        notes.append(note)
    some_passed = any(
        test["outcome"] == "passed" for one in found for test in one["tests"].values()
    )
    return f"{'✓' if some_passed else 'no'} ({notes.index(note) + 1})"


def _reasons(found: Sequence[JsonReport]) -> list[str]:
    names = {
        name.strip()
        for one in found
        for test in one["tests"].values()
        if test["outcome"] == "declared away"
        for name in test["message"].rpartition("declared away:")[2].split(",")
    }
    return [f"without {MEANINGS.get(name) or name}" for name in sorted(names)]


def _versions(runs: Sequence[JsonReport]) -> str:
    return ", ".join(sorted({run["version"] or run["turnout"] for run in runs}))


def _pythons(runs: Sequence[JsonReport]) -> str:
    versions = {tuple(map(int, run["python"].split(".")[:2])) for run in runs}
    return ", ".join(f"{major}.{minor}" for major, minor in sorted(versions))


def insert(
    table: str,
    page: str,
    *,
    name: str = "compatibility table",
    maker: str = "turnout.testing.table",
) -> str:
    """Return a page with `table` between its marker lines, or at its end when it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    notice = f"<!-- made by `python -m {maker}`; edit nothing between these lines -->"
    block = f"{begin}\n{notice}\n\n{table}\n{end}"
    if begin not in page:
        return f"{page.rstrip()}\n\n{block}\n".lstrip()
    before, _, rest = page.partition(begin)
    return before + block + rest.partition(end)[2]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def main(words: Sequence[str] | None = None) -> int:
    """Read reports and write the table into a page, or print it."""
    parser = argparse.ArgumentParser(prog="python -m turnout.testing.table", description=__doc__)
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT")
    parser.add_argument("--into", type=Path, action="append", default=[], metavar="PAGE")
    arguments = parser.parse_args(words)
    paths = [one for path in arguments.reports for one in _files(path)]
    if not paths:
        parser.error("no report is there: run the conformance suite first")
    table = render(json.loads(path.read_text(encoding="utf-8")) for path in paths)
    for page in arguments.into:
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        page.write_text(insert(table, old), encoding="utf-8")
    if not arguments.into:
        print(table, end="")  # noqa: T201  # that is what was asked for
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
