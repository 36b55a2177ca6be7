"""A stored report, digested for its reader."""

from __future__ import annotations

from tests.testing.reports import FAILURE, stored_report

from turnout.testing.digest import causes, engine_line, failed_rules, fold, rows, verdict


def test_rows_that_have_tests() -> None:
    found = {row.name: (row.outcome, row.in_words(), row.remark) for row in rows(stored_report())}
    assert found == {
        "ACCEPT": ("passed", "1 passed", ""),
        "CLOSE": ("failed", "2 failed, 1 passed", ""),
        "DEFLATE": ("declared away", "1 declared away", " (without deflate)"),
        "UTF8": ("not run", "1 not run", " (not run: it waited in vain)"),
    }


def test_cases_of_one_function_are_one_failure() -> None:
    (rule,) = failed_rules(stored_report())
    assert (rule.row, rule.function, rule.all_cases) == ("CLOSE", "test_close", 3)
    assert rule.cases == ["test_close[async]", "test_close[plain]"]
    assert rule.failure == FAILURE


def test_errors_of_one_line_are_one_cause() -> None:
    report = stored_report()
    close = report["rows"]["CLOSE"]["tests"]
    other = FAILURE | {"logged": FAILURE["logged"] | {"error": "ValueError: another"}}
    close["test_close[plain]"]["failure"] = other
    (cause,) = causes(report)
    assert (cause.error, cause.line, cause.failures) == ("ValueError: <x>", 7, 2)
    close["test_close[plain]"]["failure"] = FAILURE | {"logged": None}
    assert causes(report) == []


def test_one_line_for_the_engine_and_one_for_the_verdict() -> None:
    report = stored_report()
    assert engine_line(report) == (
        "pocket native (pocket-server 1.2, asyncio), turnout 0.1.0, Python 3.11.7"
    )
    assert verdict(report) == (
        "pocket native does not conform: 2 failed, 1 not run, 1 declared away, 2 passed (1.5 s)"
    )
    report |= {"outcome": "declared away", "counts": {"passed": 2}, "strategy": None}
    assert verdict(report) == "pocket conforms: 2 passed (1.5 s)"


def test_many_lines_of_one_kind_are_folded() -> None:
    said = [{"who": "server", "what": f"a frame: {number}"} for number in range(5)]
    said.append({"who": "client", "what": "a frame: 5"})
    assert [line["what"] for line in fold(said)] == [
        "a frame: 0",
        "3 more like this",
        "a frame: 4",
        "a frame: 5",
    ]
    assert fold(said[:3]) == said[:3]
