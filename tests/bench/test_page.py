"""The page of figures: what it makes of runs, and where it writes it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.bench import large
from tests.bench.budgets import BUDGETS, TITLES
from tests.bench.connections import HANDSHAKES, KIB_EACH
from tests.bench.echo import LOADS
from tests.bench.loader import Load
from tests.bench.page import main
from tests.bench.report import Figures, Row, Table, table_of, write
from tests.bench.startup import BEGINNINGS
from tests.bench.startup import COLUMNS as BEGAN

PAGE = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n"
BUDGET_PAGE = PAGE.replace("figures", "budgets")


def echoes(title: str, rates: Mapping[str, float]) -> Table:
    return table_of(title, [Row(name, [rate], [1.0]) for name, rate in rates.items()])


def idle(kib: Mapping[str, float]) -> Table:
    rows = [Figures(name, [each]) for name, each in kib.items()]
    return Table("memory of 2,000 idle connections", [KIB_EACH], rows)


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


def test_a_ratio_of_which_nothing_is_asked_is_shown(tmp_path: Path) -> None:
    rates = {"raw": 1000, "tornado": 200, "turnout on tornado:standard": 300}
    plain = echoes(TITLES[0], rates)
    over_tls = echoes(str(replace(LOADS["small"], tls=True)), rates)
    shown = page_of(tmp_path, [plain, over_tls], page=BUDGET_PAGE)
    assert "| turnout on tornado:standard ÷ tornado | **1.50** (≥ 4) |  |  |" in shown
    assert "| turnout on tornado:standard ÷ tornado over TLS | 1.50 |  |  |" in shown


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


def test_a_stream_has_a_budget_of_its_own(tmp_path: Path) -> None:
    rates = {
        "raw": 1000,
        "turnout on wsproto async/callback": 590,
        "turnout on wsproto async/stream": 460,
        "turnout on wsproto plain/stream": 100,
    }
    shown = page_of(tmp_path, [echoes(TITLES[0], rates)], page=BUDGET_PAGE)
    assert "| turnout on wsproto ÷ raw | **0.59** (≥ 0.6) |  |  |" in shown
    assert "| turnout on wsproto async/stream ÷ raw | 0.46 (≥ 0.45) |  |  |" in shown
    assert "plain" not in shown


def test_binary_messages_are_not_held_to_the_budgets_of_text(tmp_path: Path) -> None:
    binary = echoes(TITLES[0].replace("text", "binary"), {"raw": 1000, "turnout on wsproto": 9})
    assert "÷" not in page_of(tmp_path, [binary], page=BUDGET_PAGE)


def test_idle_memory_is_held_in_all_or_above_the_bare_engine(tmp_path: Path) -> None:
    first = {
        "turnout on wsproto /async/callback": 9.99,
        "turnout on aiohttp:native /async/stream": 15.0,
        "aiohttp /echo": 13.5,
        "turnout on wsproto /async/callback, deflate": 99,
    }
    second = {"turnout on wsproto /async/callback": 11, "turnout on hypercorn /async/stream": 40}
    shown = page_of(tmp_path, [idle(first)], [idle(second)], page=BUDGET_PAGE)
    assert "| KiB of an idle connection | in all (≤ 10) | above the bare engine (≤ 2) |" in shown
    assert "| turnout on wsproto /async/callback | 9.99 / **11** |  |" in shown
    assert "| turnout on aiohttp:native /async/stream |  | 1.5 |" in shown
    assert "deflate" not in shown
    assert "hypercorn" not in shown  # its bare engine was not measured


def test_idle_memory_above_a_bare_engine_may_be_too_much(tmp_path: Path) -> None:
    kib = {"turnout on aiohttp:native /async/callback": 16, "aiohttp /echo": 13.5}
    shown = page_of(tmp_path, [idle(kib)], page=BUDGET_PAGE)
    assert "| turnout on aiohttp:native /async/callback |  | **2.5** |" in shown


def test_large_messages_have_a_peak(tmp_path: Path) -> None:
    name, refused = "turnout on wsproto /async/callback", "turnout on a /async/callback"
    small = [Figures(name, [4.2, 1.88]), Figures("websockets /echo", [5.3, 2.15])]
    big = [Figures(name, [217.0, 3.1]), Figures(refused, [None, None])]
    run = [Table(large.title(1), large.COLUMNS, small), Table(large.title(64), large.COLUMNS, big)]
    shown = page_of(tmp_path, run, run[1:], page=BUDGET_PAGE)
    assert "| peak of memory ÷ message (≤ 3) | 1 MiB | 64 MiB |" in shown
    assert f"| {name} | 1.88 | **3.1** / **3.1** |" in shown
    assert "websockets" not in shown
    assert refused not in shown


def test_importing_turnout_has_a_budget(tmp_path: Path) -> None:
    runs = [
        [Table(BEGINNINGS, BEGAN, [Figures("import turnout", [60.0, over, 70.0])])]
        for over in (41.9, 50.1)
    ]
    shown = page_of(tmp_path, *runs, page=BUDGET_PAGE)
    assert "milliseconds of processor over the interpreter (≤ 50)" in shown
    assert "| `import turnout` | 41.9 / **50.1** |" in shown


def test_every_table_of_a_run_is_shown_between_the_lines(tmp_path: Path) -> None:
    began = Table("what a beginning takes", ["ms"], [])
    shown = page_of(tmp_path, [began, echoes("x", {"raw": 1})])
    assert shown.startswith("before\n<!-- figures: begin -->\n")
    assert shown.endswith("<!-- figures: end -->\nafter\n")
    assert "### what a beginning takes" in shown
    assert "| raw | 1 | 1 | 1 |  | 1 | 1 |  |" in shown
    assert "old" not in shown


def compared(load: Load, *, ours: float, other: float) -> Table:
    rows = [
        Row("raw", [1000], [1.0]),
        Row("tornado", [other], [4.0]),
        Row("turnout on tornado:native", [ours], [2.0], against="tornado"),
    ]
    return table_of(str(load), rows)


def test_text_and_binary_stand_side_by_side_above_the_tables(tmp_path: Path) -> None:
    large = LOADS["large"]
    text = compared(large, ours=500, other=250)
    binary = compared(replace(large, kind="binary"), ours=400, other=320)
    shown = page_of(tmp_path, [text, binary])
    before, _, after = shown.partition("### 4 connections, 1 in flight, 1 MiB text\n")
    assert "| server | 4 connections, 1 in flight, 1 MiB |" in before
    assert "| turnout on tornado:native | 0.5, 0.4 |" in before
    assert "| turnout on tornado:native | 2, 1.25 |" in before
    assert "| tornado | 0.25, 0.32 |" in before
    assert "### 4 connections, 1 in flight, 1 MiB binary\n" in after
    assert "| turnout on tornado:native | 400 | 1 | 0.4 | 1.25 | 2 | 0.5 | 2 |" in after


def test_what_only_one_kind_was_echoed_of_has_a_gap(tmp_path: Path) -> None:
    small, medium = LOADS["small"], LOADS["medium"]
    sent = [small, replace(small, kind="binary"), replace(medium, kind="binary")]
    tables = [compared(load, ours=500, other=250) for load in sent]
    shown = page_of(tmp_path, tables)
    assert "| raw | 1, 1 | -, 1 |" in shown


def test_a_run_of_text_alone_has_tables_alone(tmp_path: Path) -> None:
    assert "Share of raw" not in page_of(tmp_path, [compared(LOADS["small"], ours=5, other=2)])


def test_a_round_too_short_to_be_counted_has_no_ratio_of_processor() -> None:
    made = table_of("x", [Row("raw", [2.0], [0.0]), Row("a", [1.0], [0.0], against="raw")])
    assert made.rows[1].values == [1.0, 1.0, 0.5, 0.5, 0.0, None, None]


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
