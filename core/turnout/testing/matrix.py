"""The reports of many runs as one matrix: a column for each engine and strategy."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from turnout.testing.digest import JsonReport, lacking, name_of
from turnout.testing.rows import Row

__all__ = [
    "DECLARATION",
    "Column",
    "Note",
    "columns_of",
    "notes_of",
    "python_of",
    "pythons_of",
]

DECLARATION = "test_declaration_of_"
"""How the tests of the capabilities are called."""
WORST_FIRST = ("failed", "not run", "declared away", "passed")


@dataclass(frozen=True, slots=True)
class Column:
    """One engine with one strategy: its runs, of several versions and Pythons."""

    label: str
    runs: list[JsonReport]

    @property
    def newest(self) -> JsonReport:
        """The run of the newest server on the newest Python."""
        return max(self.runs, key=lambda run: (_numbers(version_of(run)), _numbers(run["python"])))

    def outcome(self, row: Row) -> str:
        """Return the worst outcome of a row in any run."""
        found: set[str] = {
            run["rows"].get(row.name, {}).get("outcome", "not run") for run in self.runs
        }
        return min(found, key=WORST_FIRST.index)

    def has_passed(self, row: Row) -> bool:
        """Tell whether at least one test of a row has passed."""
        return any(test["outcome"] == "passed" for _, _, test in self.tests(row))

    def tests(self, *rows: Row) -> Iterator[tuple[JsonReport, str, dict[str, Any]]]:
        """Yield each test of these rows in each run, with its name."""
        for run in self.runs:
            for row in rows:
                for name, test in run["rows"].get(row.name, {"tests": {}})["tests"].items():
                    yield run, name, test

    def versions(self) -> list[str]:
        """Return the versions of the server, the newest first."""
        return sorted({version_of(run) for run in self.runs}, key=_numbers, reverse=True)

    def run_of(self, version: str, python: str) -> JsonReport | None:
        """Return the run of one version on one Python."""
        found = [
            run for run in self.runs if version_of(run) == version and python_of(run) == python
        ]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a column shows otherwise: a capability it lacks, options, or a failure."""

    column: str
    rows: frozenset[Row]
    kind: str
    """`capability`, `options` or `failure`."""
    names: tuple[str, ...]
    """Of the capability, the options, or the Pythons on which it fails."""
    tests: tuple[str, ...]
    """The functions that are left out, or that fail."""


def columns_of(reports: Iterable[JsonReport]) -> list[Column]:
    """Return the columns, by name."""
    runs: dict[str, list[JsonReport]] = defaultdict(list)
    for report in reports:
        runs[name_of(report)].append(report)
    return [Column(label, runs[label]) for label in sorted(runs)]


def pythons_of(columns: Iterable[Column]) -> list[str]:
    """Return the Pythons of all runs, in order."""
    found = {python_of(run) for column in columns for run in column.runs}
    return sorted(found, key=_numbers)


def python_of(run: JsonReport) -> str:
    """Return the Python of a run, as in `3.13`."""
    return ".".join(run["python"].split(".")[:2])


def version_of(run: JsonReport) -> str:
    """Return the version of the server, or of turnout where that is the server."""
    version: str = run["version"] or run["turnout"]
    return version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def notes_of(column: Column) -> Iterator[Note]:
    """Yield what a column shows otherwise."""
    yield from _capabilities(column)
    options = {name for run in column.runs for name in run["declared_away"]}
    options -= {"compression"} if _lacks(column, "deflate") else set()
    if options:
        names = tuple(sorted(options))
        yield Note(column.label, frozenset({Row.START}), "options", names, ())
    yield from _failures(column)


def _lacks(column: Column, capability: str) -> bool:
    return any(not run["capabilities"].get(capability, True) for run in column.runs)


def _capabilities(column: Column) -> Iterator[Note]:
    declared = sorted({name for run in column.runs for name in run["capabilities"]})
    for name in declared:
        if _lacks(column, name):
            left_out = {
                (row, test.partition("[")[0])
                for row in Row
                for _, test, result in column.tests(row)
                if name in lacking(result)
            }
            rows = frozenset(row for row, _ in left_out) or _declared_in(column, name)
            tests = tuple(sorted(test for _, test in left_out))
            yield Note(column.label, rows, "capability", (name,), tests)


def _declared_in(column: Column, capability: str) -> frozenset[Row]:
    """Return the row in which a declaration is tested, for one that leaves no test out."""
    proof = f"{DECLARATION}{capability}"
    return frozenset(row for row in Row if proof in {name for _, name, _ in column.tests(row)})


def _failures(column: Column) -> Iterator[Note]:
    for row in Row:
        failed = [(run, n) for run, n, test in column.tests(row) if test["outcome"] == "failed"]
        if failed:
            runs = sorted({f"{version_of(run)} on Python {python_of(run)}" for run, _ in failed})
            tests = sorted({name.partition("[")[0] for _, name in failed})
            yield Note(column.label, frozenset({row}), "failure", tuple(runs), tuple(tests))
