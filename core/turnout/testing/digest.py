"""A report as its reader wants it: failures by rule, what they have in common, rows in numbers.

Made of the JSON, so that a stored report reads as it did when it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "Cause",
    "FailedRule",
    "JsonReport",
    "RowCount",
    "causes",
    "engine_line",
    "failed_rules",
    "fold",
    "lacking",
    "name_of",
    "rows",
    "verdict",
]

JsonReport: TypeAlias = dict[str, Any]

MOST_CAUSES = 3


@dataclass(frozen=True, slots=True)
class FailedRule:
    """One function of the suite that has failed, with the cases in which it did."""

    row: str
    function: str
    rule: str
    cases: list[str]
    all_cases: int
    failure: dict[str, Any]
    """Of the first case."""


@dataclass(frozen=True, slots=True)
class Cause:
    """An error in the server's log that several failures have in common."""

    error: str
    file: str
    line: int
    function: str
    failures: int


@dataclass(frozen=True, slots=True)
class RowCount:
    """One row in numbers."""

    name: str
    title: str
    outcome: str
    passed: int
    failed: int
    declared_away: int
    not_run: int
    lacking: list[str]
    """The capabilities that are declared away."""
    why_not: str
    """Why tests of it were not run, if that was decided."""

    @property
    def remark(self) -> str:
        """What is to be added to its title."""
        if self.why_not:
            return f" ({self.why_not})"
        return f" (without {', '.join(self.lacking)})" if self.lacking else ""

    def in_words(self) -> str:
        """Return the numbers that are not nought."""
        numbers = {
            "failed": self.failed,
            "passed": self.passed,
            "declared away": self.declared_away,
            "not run": self.not_run,
        }
        return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def engine_line(report: JsonReport) -> str:
    """Return what was tested, with versions."""
    server = " ".join(filter(None, (report["distribution"], report["version"])))
    place = f"{server}, {report['runtime']}" if server else report["runtime"]
    return f"{name_of(report)} ({place}), turnout {report['turnout']}, Python {report['python']}"


def name_of(report: JsonReport) -> str:
    """Return the engine's name, with its strategy where it has several."""
    return " ".join(filter(None, (report["engine"], report["strategy"])))


def verdict(report: JsonReport) -> str:
    """Return the outcome in one sentence."""
    numbers = ", ".join(f"{number} {name}" for name, number in report["counts"].items() if number)
    conforms = report["outcome"] in ("passed", "declared away")
    word = "conforms" if conforms else "does not conform"
    return f"{name_of(report)} {word}: {numbers} ({report['seconds']:g} s)"


def rows(report: JsonReport) -> Iterator[RowCount]:
    """Yield the rows that have tests in this run."""
    for name, row in report["rows"].items():
        tests = row["tests"].values()
        if not tests:
            continue
        counts = Counter(test["outcome"] for test in tests)
        yield RowCount(
            name,
            row["title"],
            row["outcome"],
            counts["passed"],
            counts["failed"],
            counts["declared away"],
            counts["not run"],
            sorted({one for test in tests for one in lacking(test)}),
            next((test["message"] for test in tests if _was_left(test)), ""),
        )


def _was_left(test: dict[str, Any]) -> bool:
    return test["outcome"] == "not run" and bool(test["message"])


def lacking(test: dict[str, Any]) -> list[str]:
    """Return the capabilities for want of which a test was left out."""
    if test["outcome"] != "declared away":
        return []
    names = test["message"].rpartition("declared away:")[2].split(",")
    return [name.strip() for name in names]


def failed_rules(report: JsonReport) -> Iterator[FailedRule]:
    """Yield the functions that failed, in the order of the rows."""
    for row_name, row in report["rows"].items():
        by_function: dict[str, list[str]] = {}
        for name in row["tests"]:
            by_function.setdefault(name.partition("[")[0], []).append(name)
        for function, names in by_function.items():
            failed = [name for name in names if row["tests"][name]["outcome"] == "failed"]
            if failed:
                first = row["tests"][failed[0]]
                yield FailedRule(
                    row_name, function, first["rule"], failed, len(names), _failure_of(first)
                )


def _failure_of(test: dict[str, Any]) -> dict[str, Any]:
    failure: dict[str, Any] = test["failure"]
    return failure


def causes(report: JsonReport) -> list[Cause]:
    """Return the errors that the server has logged in more than one failed test, most first.

    Errors of one kind from one line are one, told in the words of the first.
    """
    logged = [
        one
        for row in report["rows"].values()
        for test in row["tests"].values()
        if test["outcome"] == "failed" and (one := test["failure"]["logged"]) is not None
    ]
    first = {_origin(one): one for one in reversed(logged)}
    found = Counter(map(_origin, logged))
    return [
        Cause(**first[origin], failures=number)
        for origin, number in found.most_common(MOST_CAUSES)
        if number > 1
    ]


def _origin(logged: dict[str, Any]) -> tuple[str, str, int]:
    return logged["error"].partition(":")[0], logged["file"], logged["line"]


def fold(conversation: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return a conversation in which many lines of one kind are three: first, how many, last."""
    folded: list[dict[str, str]] = []
    run: list[dict[str, str]] = []
    for line in [*conversation, {"who": "", "what": ""}]:
        if run and _kind(line) != _kind(run[0]):
            folded += run if len(run) < 4 else [run[0], _more(run), run[-1]]
            run = []
        run.append(line)
    return folded


def _kind(line: dict[str, str]) -> tuple[str, str]:
    return line["who"], line["what"].partition(":")[0]


def _more(run: list[dict[str, str]]) -> dict[str, str]:
    return {"who": "…", "what": f"{len(run) - 2} more like this"}
