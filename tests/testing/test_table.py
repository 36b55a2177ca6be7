"""The compatibility table, made of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turnout.testing.report import Report
from turnout.testing.rows import Row
from turnout.testing.suite import __all__ as suite_names
from turnout.testing.table import insert, main, render


def report(engine: str, python: str = "3.11.7", **outcomes: str) -> dict[str, Any]:
    """Return the report of an engine that passes everything but what is named."""
    rows = {}
    for row in Row:
        outcome = outcomes.get(row.name, "passed")
        message = "Skipped: declared away: deflate" if outcome == "declared away" else ""
        test = {"rule": "a rule", "outcome": outcome, "message": message}
        rows[row.name] = {"title": row.value, "outcome": outcome, "tests": {"test_it": test}}
    return {
        "engine": engine,
        "strategy": None,
        "version": "1.0",
        "turnout": "0.1.0",
        "python": python,
        "rows": rows,
    }


def line(table: str, row: Row) -> str:
    """Return the cells of one row."""
    (found,) = [one for one in table.splitlines() if one.startswith(f"| {row.value} |")]
    return found.removeprefix(f"| {row.value} | ").removesuffix(" |")


def test_a_column_for_each_engine() -> None:
    table = render([report("one"), report("two", VIOLATION="failed")])
    assert table.splitlines()[0] == "|  | one | two |"
    assert line(table, Row.CLOSE) == "✓ | ✓"
    assert line(table, Row.VIOLATION) == "✓ | ✗"


def test_strategies_of_one_engine_are_two_columns() -> None:
    native = {**report("tornado"), "strategy": "native"}
    standard = {**report("tornado"), "strategy": "standard"}
    assert render([native, standard]).startswith("|  | tornado native | tornado standard |")


def test_what_is_declared_away_has_a_note() -> None:
    table = render([report("one", DEFLATE="declared away")])
    assert line(table, Row.DEFLATE) == "no (1)"
    assert "1. one: without permessage-deflate (RFC 7692)" in table


def test_several_pythons_are_one_column_and_the_worst_counts() -> None:
    table = render([report("one"), report("one", "3.13.0", CLOSE="failed")])
    assert table.splitlines()[0] == "|  | one |"
    assert line(table, Row.CLOSE) == "✗"
    assert "| Python | 3.11, 3.13 |" in table


def test_a_row_that_did_not_run_does_not_pass() -> None:
    assert line(render([report("one", HTTP="not run")]), Row.HTTP) == "?"


def test_table_is_put_between_its_lines(tmp_path: Path) -> None:
    page, source = tmp_path / "page.md", tmp_path / "report.json"
    page.write_text("# Compatibility\n\nText.\n")
    source.write_text(json.dumps(report("one")))
    assert main([str(source), "--into", str(page)]) == 0
    first = page.read_text()
    assert first.startswith("# Compatibility\n\nText.\n")
    assert "|  | one |" in first
    assert main([str(source), "--into", str(page)]) == 0
    assert page.read_text() == first


def test_folder_of_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "no report is there" in capsys.readouterr().err
    for engine in ("two", "one"):
        (tmp_path / f"{engine}.json").write_text(json.dumps(report(engine)))
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("|  | one | two |")


def test_text_after_the_table_stays() -> None:
    page = insert("old", "before") + "after\n"
    assert insert("new", page) == insert("new", "before") + "after\n"


def test_table_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "report.json"
    source.write_text(json.dumps(report("one")))
    assert main([str(source)]) == 0
    assert capsys.readouterr().out == render([report("one")])


def phase(outcome: str, message: str = "") -> pytest.TestReport:
    """Return one phase of a test as pytest reports it."""
    longrepr: Any = ("file", 1, message) if outcome == "skipped" else message
    return pytest.TestReport("id", ("file", 1, "it"), {}, outcome, longrepr, "call")  # type: ignore[arg-type]  # a literal


def test_a_test_fails_if_one_of_its_phases_does() -> None:
    collected = Report()
    for outcome in ("passed", "failed", "passed"):
        collected.add("test_it", phase(outcome, "first\nlast line"), "CLOSE", "a rule")
    assert collected.results["test_it"].outcome == "failed"
    assert collected.results["test_it"].message == "last line"


def test_a_report_says_what_did_not_run() -> None:
    collected = Report()
    collected.add("test_it", phase("passed"), "CLOSE", "a rule")
    collected.add("test_other", phase("skipped", "declared away: deflate"), "DEFLATE", "a rule")
    rows = collected.as_json("wsproto", None)["rows"]
    assert rows["CLOSE"]["outcome"] == "passed"
    assert rows["DEFLATE"]["outcome"] == "declared away"
    assert rows["HTTP"]["outcome"] == "not run"


def test_every_row_has_a_test() -> None:
    from turnout.testing import suite
    from turnout.testing.marks import marks_of

    tests = [getattr(suite, name) for name in suite_names if name.startswith("test_")]
    rules = [kwargs for test in tests for name, _, kwargs in marks_of(test) if name == "rule"]
    assert len(rules) == len(tests), "a test names no rule"
    assert {one["row"] for one in rules} == {row.name for row in Row}
