"""The compatibility tables, made of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turnout.testing.markdown import insert, link_to_test
from turnout.testing.report import Report
from turnout.testing.reporting import END_OF_SERVER
from turnout.testing.rows import Row
from turnout.testing.suite import __all__ as suite_names
from turnout.testing.table import main, render_summary, render_table

ABLE = {"deflate": True, "partial_send": True, "tls": True}


def report(
    engine: str, python: str = "3.11.7", version: str = "1.0", **outcomes: str
) -> dict[str, Any]:
    """Return the report of an engine that passes everything but what is named."""
    rows = {}
    for row in Row:
        outcome = outcomes.get(row.name, "passed")
        message = "declared away: deflate" if outcome == "declared away" else ""
        test = {"rule": "a rule", "outcome": outcome, "message": message}
        rows[row.name] = {"title": row.value, "outcome": outcome, "tests": {"test_it": test}}
    found = [row["outcome"] for row in rows.values()]
    counts = {kind: found.count(kind) for kind in ("failed", "not run", "declared away", "passed")}
    return {
        "engine": engine,
        "strategy": None,
        "distribution": f"{engine}-server",
        "version": version,
        "turnout": "0.1.0",
        "python": python,
        "capabilities": ABLE | {"deflate": "declared away" not in outcomes.values()},
        "declared_away": ["compression"] if "declared away" in outcomes.values() else [],
        "counts": counts,
        "rows": rows,
    }


def line(table: str, row: Row) -> str:
    """Return the cells of one row."""
    anchor = f"](suite.md#{row.name.lower().replace('_', '-')}) | "
    (found,) = [one for one in table.splitlines() if one.startswith("| [") and anchor in one]
    return found.partition(anchor)[2].removesuffix(" |")


def test_a_column_for_each_engine() -> None:
    table = render_table([report("one"), report("two", VIOLATION="failed")])
    assert "|  | one | two |" in table.splitlines()
    assert line(table, Row.CLOSE) == "✓ | ✓"
    assert line(table, Row.VIOLATION) == "✓ | ✗ [1](#note-1)"
    assert (
        '1. <a id="note-1"></a>**two** 1.0 on Python 3.11 fails [test_it](suite.md#test_it).'
    ) in table.splitlines()


def test_strategies_of_one_engine_are_two_columns() -> None:
    native = {**report("tornado"), "strategy": "native"}
    standard = {**report("tornado"), "strategy": "standard"}
    assert "|  | tornado<br>native | tornado<br>standard |" in render_table([standard, native])


def test_what_is_declared_away_has_a_note_with_its_tests() -> None:
    table = render_table([report("one", DEFLATE="declared away")])
    assert line(table, Row.DEFLATE) == "no [1](#note-1)"
    assert (
        '1. <a id="note-1"></a>**one** is without `deflate`: permessage-deflate (RFC 7692) within'
        " the configured bounds"
        " ([test_declaration_of_deflate](suite.md#test_declaration_of_deflate))."
        " Left out: [1 test](suite.md#needs-deflate)."
    ) in table.splitlines()


def test_what_is_declared_away_and_left_out_by_no_test_is_noted_where_it_is_tested() -> None:
    without_tls = report("one")
    without_tls["capabilities"] = ABLE | {"tls": False}
    tests = without_tls["rows"]["TRANSPORTS"]["tests"]
    tests["test_declaration_of_tls"] = tests.pop("test_it")
    table = render_table([without_tls])
    assert line(table, Row.TRANSPORTS) == "✓ [1](#note-1)"


def test_options_that_are_refused_have_a_note() -> None:
    table = render_table([report("one") | {"declared_away": ["idle_timeout"]}])
    assert line(table, Row.START) == "✓ [1](#note-1)"
    assert "refuses these options at start: `idle_timeout`" in table


def test_several_pythons_are_one_column_and_the_worst_counts() -> None:
    table = render_table([report("one"), report("one", "3.13.0", CLOSE="failed")])
    assert "|  | one |" in table.splitlines()
    assert line(table, Row.CLOSE) == "✗ [1](#note-1)"


def test_every_version_and_python_is_shown() -> None:
    reports = [report("one"), report("one", version="0.9", CLOSE="failed")]
    table = render_table(
        [*reports, report("one", "3.13.1"), report("two", DEFLATE="declared away")]
    )
    assert "| engine | version | Python 3.11 | Python 3.13 |" in table.splitlines()
    assert f"| one | 1.0 | {len(Row)} | {len(Row)} |" in table.splitlines()
    assert f"| one | 0.9 | ✗ 1 of {len(Row)} | - |" in table.splitlines()
    assert f"| two | 1.0 | {len(Row) - 1} (1) | - |" in table.splitlines()


def test_a_row_that_did_not_run_does_not_pass() -> None:
    assert line(render_table([report("one", HTTP="not run")]), Row.HTTP) == "?"


def test_summary_is_a_line_for_each_engine() -> None:
    reports = [report("one"), report("one", "3.13.0"), report("one", version="0.9")]
    summary = render_summary([*reports, report("two", DEFLATE="declared away", CLOSE="failed")])
    rows = len(Row)
    assert summary.splitlines()[2:] == [
        f"| one | one-server 1.0 | 3.11, 3.13 | {rows} of {rows} | - | - |",
        f"| two | two-server 1.0 | 3.11 | ✗ {rows - 2} of {rows} | 1 | `deflate` |",
    ]


def marked(*names: str) -> str:
    """Return a page with regions of these names."""
    return "# Page\n\n" + "\n".join(
        f"<!-- {n}: begin -->\n<!-- {n}: end -->\nAfter." for n in names
    )


def test_tables_are_put_where_a_page_wants_them(tmp_path: Path) -> None:
    page, source = tmp_path / "page.md", tmp_path / "report.json"
    source.write_text(json.dumps(report("one")))
    page.write_text(marked("compatibility table", "compatibility summary"))
    assert main([str(source), "--into", str(page)]) == 0
    first = page.read_text()
    assert first.startswith("# Page\n\n<!-- compatibility table: begin -->")
    assert first.count("After.") == 2
    assert "|  | one |" in first
    assert "| one | one-server 1.0 |" in first
    assert main([str(source), "--into", str(page)]) == 0
    assert page.read_text() == first


def test_page_that_wants_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, source = tmp_path / "page.md", tmp_path / "report.json"
    source.write_text(json.dumps(report("one")))
    page.write_text("nothing")
    with pytest.raises(SystemExit):
        main([str(source), "--into", str(page)])
    assert "has no line <!-- compatibility table: begin -->" in capsys.readouterr().err


def test_folder_of_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "no report is there" in capsys.readouterr().err
    for engine in ("two", "one"):
        (tmp_path / f"{engine}.json").write_text(json.dumps(report(engine)))
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == render_table([report("one"), report("two")])


def test_text_around_a_region_stays() -> None:
    page = marked("one") + "\nend"
    once = insert(page, {"one": "old"}, "me")
    assert once is not None
    assert insert(once, {"one": "new"}, "me") == insert(page, {"one": "new"}, "me")
    assert once.startswith("# Page\n\n<!-- one: begin -->\n<!-- made by `me`;")
    assert once.endswith("old\n\n<!-- one: end -->\nAfter.\nend")


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


def test_only_tests_have_a_link() -> None:
    assert link_to_test("test_echo") == "[test_echo](suite.md#test_echo)"
    assert "](" not in link_to_test(END_OF_SERVER)
