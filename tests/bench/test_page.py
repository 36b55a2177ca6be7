"""The page of figures: what it makes of runs, and where it writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.bench.budgets import BUDGETS, TITLES
from tests.bench.page import main
from tests.bench.report import Row, Table, table_of, write

PAGE = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n"


def echoes(title: str, rates: Mapping[str, float]) -> Table:
    return table_of(title, [Row(name, [rate], [1.0]) for name, rate in rates.items()])


def page_of(folder: Path, *tables: Table) -> str:
    run, page = folder / "run.json", folder / "page.md"
    write(run, [asdict(one) for one in tables])
    page.write_text(PAGE)
    main([str(run), "--into", str(page)])
    return page.read_text()


def test_budgets_are_ratios_of_one_load(tmp_path: Path) -> None:
    small = echoes(TITLES[0], {"raw": 1000, "turnout on wsproto": 625, "picows": 500})
    pipelined = echoes(TITLES[1], {"raw": 1000, "turnout on wsproto": 490})
    shown = page_of(tmp_path, small, pipelined)
    assert "| turnout on wsproto ÷ raw | 0.62 (≥ 0.6) | **0.49** (≥ 0.5) |  |" in shown
    assert "| turnout on wsproto ÷ picows | 1.25 (≥ 1) |  |  |" in shown
    assert "Tornado" not in shown.partition("### ")[0]


def test_the_fastest_of_several_counts(tmp_path: Path) -> None:
    fast, slow, _ = next(one.others for one in BUDGETS if len(one.others) == 3)
    rates = {"raw": 1000, "turnout on wsproto": 600, fast: 300, slow: 100}
    shown = page_of(tmp_path, echoes(TITLES[2], rates))
    assert "÷ the fastest uvicorn + Starlette |  |  | 2.00 (≥ 2) |" in shown


def test_every_table_of_a_run_is_shown_between_the_lines(tmp_path: Path) -> None:
    shown = page_of(tmp_path, Table("what a beginning takes", ["ms"], []), echoes("x", {"raw": 1}))
    assert shown.startswith("before\n<!-- figures: begin -->\n")
    assert shown.endswith("<!-- figures: end -->\nafter\n")
    assert "### what a beginning takes" in shown
    assert "| raw | 1 | 1 | 1 |  | 1 | 1 |  |" in shown
    assert "old" not in shown


def test_a_run_is_shown_as_it_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["echo", "--json", "a.json", "--loads", "small,large", "--svg=b.svg", "--deflate"]
    monkeypatch.setattr("sys.argv", ["__main__.py", *words])
    shown = page_of(tmp_path, echoes("x", {"raw": 1}))
    assert "## python -m tests.bench echo --loads small,large --deflate\n" in shown


def test_a_page_without_the_lines_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, page = tmp_path / "run.json", tmp_path / "page.md"
    write(run, [])
    page.write_text("nothing")
    with pytest.raises(SystemExit):
        main([str(run), "--into", str(page)])
    assert "has no line" in capsys.readouterr().err
    assert page.read_text() == "nothing"
