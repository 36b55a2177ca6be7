"""The results of one run of the suite, by row of the contract."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from turnout.testing.rows import Row

__all__ = ["Outcome", "Report", "TestResult"]

Outcome: TypeAlias = Literal["passed", "failed", "declared away"]


@dataclass(slots=True)
class TestResult:
    """One test: the rule it holds, and how it ended."""

    __test__ = False  # not a test of pytest's

    row: str
    rule: str
    outcome: Outcome = "passed"
    message: str = ""


@dataclass(slots=True)
class Report:
    """What a run has shown so far."""

    results: dict[str, TestResult] = field(default_factory=dict)

    def add(self, name: str, phase: pytest.TestReport, row: str, text: str) -> None:
        """Take one phase of a test: any that fails makes it failed."""
        result = self.results.setdefault(name, TestResult(row, text))
        if phase.failed:
            result.outcome = "failed"
            result.message = phase.longreprtext.splitlines()[-1] if phase.longreprtext else ""
        elif phase.skipped and result.outcome == "passed":
            result.outcome = "declared away"
            result.message = str(phase.longrepr[2]) if isinstance(phase.longrepr, tuple) else ""

    def as_json(self, engine: str, strategy: str | None) -> dict[str, Any]:
        """Return the whole report."""
        from turnout.testing.engines import describe_engine

        return {
            **describe_engine(engine, strategy),
            "python": platform.python_version(),
            "rows": {row.name: self._row(row) for row in Row},
        }

    def write(self, path: Path, engine: str, strategy: str | None) -> None:
        """Write the report as JSON."""
        text = json.dumps(self.as_json(engine, strategy), indent=2, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def _row(self, row: Row) -> dict[str, Any]:
        results = {name: one for name, one in self.results.items() if one.row == row.name}
        return {
            "title": row.value,
            "outcome": _summary({one.outcome for one in results.values()}),
            "tests": {
                name: {"rule": one.rule, "outcome": one.outcome, "message": one.message}
                for name, one in sorted(results.items())
            },
        }


def _summary(outcomes: set[Outcome]) -> str:
    for outcome in ("failed", "declared away", "passed"):
        if outcome in outcomes:
            return outcome
    return "not run"
