"""The generated pages that are committed are those that the suite and the engines would make."""

from __future__ import annotations

import re
from pathlib import Path

from turnout import plugins
from turnout.testing.failures import Failure
from turnout.testing.markdown import insert
from turnout.testing.report import Report
from turnout.testing.rows import Row
from turnout.testing.suite_page import MADE_BY, REGION, render_suite

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "docs/reference/suite.md"
COMPATIBILITY = ROOT / "docs/reference/compatibility.md"
README = ROOT / "README.md"


def known_engines() -> set[str]:
    """Return what comes with turnout, as `name` or `name strategy`."""
    found = set()
    for name in plugins.names():
        plugin = plugins.find(name)
        if plugin.distribution == "turnout":
            variants = plugin.load().variants
            found |= {f"{name} {variant}" for variant in variants} or {name}
    return found


def test_list_of_the_suite_is_current() -> None:
    """Otherwise run `python -m turnout.testing.suite_page --into docs/reference/suite.md`."""
    page = SUITE.read_text(encoding="utf-8")
    assert insert(page, {REGION: render_suite()}, MADE_BY) == page


def test_compatibility_table_has_every_row_and_engine() -> None:
    """Otherwise run the matrix, and `tox -e table`."""
    page = COMPATIBILITY.read_text(encoding="utf-8")
    (header,) = re.findall(r"^\|  \|(.*)\|$", page, re.MULTILINE)
    assert {one.strip().replace("<br>", " ") for one in header.split("|")} == known_engines()
    rows = re.findall(r"^\| \[.*?\]\(suite\.md#([\w-]+)\) \|", page, re.MULTILINE)
    assert rows == [row.name.lower().replace("_", "-") for row in Row]


def test_notes_point_to_tests_that_exist() -> None:
    anchors = set(re.findall(r'<a id="([^"]+)">', SUITE.read_text(encoding="utf-8")))
    page = COMPATIBILITY.read_text(encoding="utf-8")
    links = set(re.findall(r"suite\.md#((?:test_|needs-)[\w-]+)", page))
    assert links <= anchors
    numbers = set(re.findall(r"\(#note-(\d+)\)", page))
    assert numbers <= set(re.findall(r'<a id="note-(\d+)">', page))


def test_fields_of_the_report_are_described() -> None:
    """Otherwise describe them in docs/reference/testing.md, and think of the schema's number."""
    page = (ROOT / "docs/reference/testing.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", page, re.MULTILINE))))
    report = Report().as_json("wsproto", None)
    failure = Failure("this", "that").as_json()
    assert {*report, *failure, "advice", "sources"} <= described


def test_readme_has_every_engine() -> None:
    page = README.read_text(encoding="utf-8")
    region = page.partition("<!-- compatibility summary: begin -->")[2].partition("<!--")[2]
    rows = re.findall(r"^\| ([\w -]+?) \| [\w.-]+ [\d.]+ \|", region, re.MULTILINE)
    assert set(rows) == known_engines()
