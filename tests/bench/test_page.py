"""The page of figures: what it makes of runs, and where it writes it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.bench.budgets import BUDGETS, TITLES
from tests.bench.connections import HANDSHAKES
from tests.bench.page import main
from tests.bench.report import Figures, Row, Table, table_of, write

PAGE = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n"
BUDGET_PAGE = PAGE.replace("figures", "budgets")


def echoes(title: str, rates: Mapping[str, float]) -> Table:
    return table_of(title, [Row(name, [rate], [1.0]) for name, rate in rates.items()])


def page_of(folder: Path, *runs: Sequence[Table], page: str = PAGE) -> str:
    path, files = folder / "page.md", []
    for number, tables in enumerate(runs):
        files.append(folder / f"{number}.json")
        write(files[-1], [asdict(one) for one in tables])
    path.write_text(page)
    main([*map(str, files), "--into", str(path)])
    return path.read_text()


def test_budgets_are_ratios_of_one_load(tmp_path: Path) -> None:
    small = echoes(TITLES[0], {"raw": 1000, "turnout on wsproto": 625, "picows": 500})
    pipelined = echoes(TITLES[1], {"raw": 1000, "turnout on wsproto": 490})
    shown = page_of(tmp_path, [small, pipelined], page=BUDGET_PAGE)
    assert "| turnout on wsproto ÷ raw | 0.62 (≥ 0.6) | **0.49** (≥ 0.5) |  |" in shown
    assert "| turnout on wsproto ÷ picows | 1.25 (≥ 1) |  |  |" in shown
    assert "tornado" not in shown


def test_runs_of_one_python_stand_beside_each_other(tmp_path: Path) -> None:
    first = echoes(TITLES[0], {"raw": 1000, "turnout on wsproto": 625})
    second = echoes(TITLES[0], {"raw": 1000, "turnout on wsproto": 580})
    shown = page_of(tmp_path, [first], [second], page=BUDGET_PAGE)
    assert "| turnout on wsproto ÷ raw | 0.62 / **0.58** (≥ 0.6) |  |  |" in shown
    assert f"### CPython {platform.python_version()}\n" in shown


def test_the_fastest_of_several_counts(tmp_path: Path) -> None:
    fast, slow, _ = next(one.others for one in BUDGETS if len(one.others) == 3)
    rates = {"raw": 1000, "turnout on wsproto": 600, fast: 300, slow: 100}
    shown = page_of(tmp_path, [echoes(TITLES[2], rates)], page=BUDGET_PAGE)
    assert "÷ the fastest uvicorn + Starlette |  |  | 2.00 (≥ 2) |" in shown


def test_handshakes_have_a_budget(tmp_path: Path) -> None:
    rows = [Figures("turnout on a", [90.0, 0.91, 1.0, 1.0]), Figures("a", [99.0, None, 1.0, None])]
    opened = Table(HANDSHAKES, ["a second", "÷ bare", "µs of processor", "bare ÷"], rows)
    shown = page_of(tmp_path, [opened], page=BUDGET_PAGE)
    assert "|  | handshakes ÷ bare (≥ 0.9) |\n| --- | --- |\n| turnout on a | 0.91 |\n\n" in shown


def test_every_table_of_a_run_is_shown_between_the_lines(tmp_path: Path) -> None:
    began = Table("what a beginning takes", ["ms"], [])
    shown = page_of(tmp_path, [began, echoes("x", {"raw": 1})])
    assert shown.startswith("before\n<!-- figures: begin -->\n")
    assert shown.endswith("<!-- figures: end -->\nafter\n")
    assert "### what a beginning takes" in shown
    assert "| raw | 1 | 1 | 1 |  | 1 | 1 |  |" in shown
    assert "old" not in shown


def test_a_run_is_shown_as_it_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["echo", "--json", "a.json", "--loads", "small,large", "--svg=b.svg", "--deflate"]
    monkeypatch.setattr("sys.argv", ["__main__.py", *words])
    shown = page_of(tmp_path, [echoes("x", {"raw": 1})])
    assert "\n`python -m tests.bench echo --loads small,large --deflate`\n" in shown


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
