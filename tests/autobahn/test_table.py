"""One word for each case, and the table that is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.autobahn.table import main
from tests.autobahn.verdicts import Results, read_index, verdict_of

MARKERS = "<!-- Autobahn table: begin -->\n<!-- Autobahn table: end -->\n"


@pytest.mark.parametrize(
    ("behavior", "behavior_close", "verdict"),
    [
        ("OK", "OK", "OK"),
        ("NON-STRICT", "OK", "non-strict"),
        ("NON-STRICT", "UNCLEAN", "unclean"),
        ("INFORMATIONAL", "INFORMATIONAL", "informational"),
        ("UNIMPLEMENTED", "OK", "unimplemented"),
        ("OK", "WRONG CODE", "wrong code"),
        ("OK", "FAILED BY CLIENT", "unclean"),
        ("OK", "FAILED", "failed"),
        ("FAILED", "OK", "failed"),
        ("ERROR", "FAILED", "failed"),
        ("a word of tomorrow", "OK", "failed"),
        ("OK", "a word of tomorrow", "failed"),
    ],
)
def test_the_worse_of_the_two_counts(behavior: str, behavior_close: str, verdict: str) -> None:
    case = {"behavior": behavior, "behaviorClose": behavior_close}
    assert read_index({"a server": {"1.1.1": case}}) == {"1.1.1": verdict}
    assert verdict_of(behavior, behavior_close) == verdict


def results(name: str, *, bare: bool, **cases: str) -> Results:
    """Return results in which the cases `c1`, `c2`, … are OK unless it says otherwise."""
    verdicts = {f"c{number}": "OK" for number in range(1, 5)} | cases
    return Results(name, bare=bare, version="1.0", cases=verdicts)


def test_worse_is_what_the_other_did_better() -> None:
    ours = results("aiohttp native", bare=False, c1="non-strict", c2="failed", c3="unclean")
    other = results("aiohttp", bare=True, c2="failed", c3="non-strict", c4="failed")
    assert ours.worse_than(other) == {"c1": "non-strict", "c3": "unclean"}


def test_table_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Autobahn\n\nRead this.\n\n{MARKERS}", encoding="utf-8")
    folder = tmp_path / "results"
    folder.mkdir()
    results("aiohttp native", bare=False, c1="non-strict").write(folder)
    results("aiohttp", bare=True, c2="failed", c3="failed").write(folder)
    for _ in range(2):
        assert main([str(folder), "--into", str(page), "--json", str(tmp_path / "all.json")]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Autobahn\n\nRead this.\n")
    assert text.count("| turnout on aiohttp native | 1.0 | 4 | 3 |  | 1 |") == 1
    assert text.count("| aiohttp alone | 1.0 | 4 | 2 |  |  |  |  |  | 2 |") == 1
    assert "- aiohttp: failed c2, c3" in text
    counts = {one["name"]: one["counts"] for one in json.loads((tmp_path / "all.json").read_text())}
    assert counts == {"aiohttp": [2, 0, 0, 0, 0, 0, 2], "aiohttp native": [3, 0, 1, 0, 0, 0, 0]}


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Autobahn\n", encoding="utf-8")
    results("aiohttp", bare=True).write(tmp_path)
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--into", str(page)])
    assert page.read_text(encoding="utf-8") == "# Autobahn\n"
