"""The results of one run of the suite, by row of the contract.

The JSON that is written has a schema with a number, described in docs/reference/testing.md: fields
may be added under the same number; the number changes when one changes its meaning or goes.
"""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from turnout.testing.advice import advice_for, sources_of
from turnout.testing.failures import Failure
from turnout.testing.rows import Row

__all__ = ["SCHEMA", "EarlyEnd", "Outcome", "Report", "TestResult"]

SCHEMA = 1
"""The version of the JSON report."""

Outcome: TypeAlias = Literal["passed", "failed", "declared away", "not run"]

WORST_FIRST: tuple[Outcome, ...] = ("failed", "not run", "declared away", "passed")


@dataclass(slots=True)
class TestResult:
    """One test: the rule it holds, and how it ended."""

    __test__ = False  # not a test of pytest's

    row: str
    rule: str
    outcome: Outcome = "not run"
    message: str = ""
    failure: Failure | None = None

    def as_json(self, name: str) -> dict[str, Any]:
        """Return what the report holds of it."""
        told: dict[str, Any] = {
            "rule": self.rule,
            "outcome": self.outcome,
            "message": self.message,
        }
        if self.failure is not None:
            told["failure"] = {
                **self.failure.as_json(),
                "advice": advice_for(
                    name.partition("[")[0], self.row, self.failure.expected, self.failure.got
                ),
                "sources": [
                    {"text": one.text, "url": one.url} for one in sources_of(self.rule, self.row)
                ],
            }
        return told


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """Why a run has ended before its end, and what to change."""

    reason: str
    failure: Failure
    advice: str


@dataclass(slots=True)
class Report:
    """What a run has shown so far."""

    results: dict[str, TestResult] = field(default_factory=dict)
    ended_early: EarlyEnd | None = None
    _begin: float = field(default_factory=time.monotonic)

    def expect(self, name: str, row: str, text: str) -> None:
        """Enter a test that is to run."""
        self.results.setdefault(name, TestResult(row, text))

    def add(
        self,
        name: str,
        phase: pytest.TestReport,
        row: str,
        text: str,
        failure: Failure | None = None,
    ) -> None:
        """Take one phase of a test: any that fails makes it failed, the first one says why."""
        result = self.results.setdefault(name, TestResult(row, text))
        if phase.failed:
            self._fail(result, phase, failure)
        elif phase.skipped and result.outcome != "failed":
            reason = str(phase.longrepr[2]) if isinstance(phase.longrepr, tuple) else ""
            result.message = reason.removeprefix("Skipped: ")
            result.outcome = "not run" if result.message.startswith("not run") else "declared away"
        elif phase.when == "call" and result.outcome == "not run":
            result.outcome = "passed"

    def _fail(self, result: TestResult, phase: pytest.TestReport, failure: Failure | None) -> None:
        if result.outcome == "failed":
            return
        result.outcome, result.failure = "failed", failure
        if failure is not None:
            result.message = f"expected {failure.expected}, got {failure.got}"
        else:
            result.message = phase.longreprtext.splitlines()[-1] if phase.longreprtext else ""

    def count(self) -> dict[Outcome, int]:
        """Return how many tests have ended in each way."""
        counted = Counter(one.outcome for one in self.results.values())
        return {outcome: counted[outcome] for outcome in WORST_FIRST}

    def as_json(self, engine: str, strategy: str | None) -> dict[str, Any]:
        """Return the whole report."""
        from turnout.testing.engines import describe_engine

        return {
            "schema": SCHEMA,
            **describe_engine(engine, strategy),
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - self._begin, 1),
            "outcome": _summary({one.outcome for one in self.results.values()}),
            "counts": self.count(),
            "ended_early": self._early(),
            "rows": {row.name: self._row(row) for row in Row},
        }

    def write(self, path: Path, engine: str, strategy: str | None) -> None:
        """Write the report as JSON."""
        text = json.dumps(self.as_json(engine, strategy), indent=2, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def _early(self) -> dict[str, Any] | None:
        if self.ended_early is None:
            return None
        failure = {**self.ended_early.failure.as_json(), "advice": self.ended_early.advice}
        return {"reason": self.ended_early.reason, "failure": failure}

    def _row(self, row: Row) -> dict[str, Any]:
        results = {name: one for name, one in self.results.items() if one.row == row.name}
        return {
            "title": row.value,
            "outcome": _summary({one.outcome for one in results.values()}),
            "tests": {name: one.as_json(name) for name, one in sorted(results.items())},
        }


def _summary(outcomes: set[Outcome]) -> Outcome:
    return min(outcomes, key=WORST_FIRST.index) if outcomes else "not run"
