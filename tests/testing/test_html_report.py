"""The page of a report: valid, safe, complete, and readable in a browser."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.testing.reports import FAILURE, stored_report

from turnout.testing.html_report import render_page

VOID = {"meta", "input", "br"}


class Checker(HTMLParser):
    """Notes elements that are not closed in order, ids, links, and what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[int] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [given["href"] or ""] if tag == "a" else []
        self.loaded += (
            [tag] if {"src", "srcset"} & given.keys() or tag in ("link", "script") else []
        )

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(params=[False, True], ids=["whole", "ended early"])
def page(request: pytest.FixtureRequest) -> str:
    return render_page(stored_report(ended_early=request.param))


@pytest.fixture
def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


def test_elements_are_closed_in_order(checked: Checker) -> None:
    assert checked.open == []


def test_ids_are_unique_and_links_lead_somewhere(checked: Checker) -> None:
    assert [one for one, number in Counter(checked.ids).items() if number > 1] == []
    inside = {link[1:] for link in checked.links if link.startswith("#")}
    assert inside <= set(checked.ids)
    assert {"row-CLOSE", "test_close"} <= inside
    outside = {link for link in checked.links if not link.startswith("#")}
    assert outside == {"https://www.rfc-editor.org/rfc/rfc6455#section-7.1"}


def test_nothing_is_loaded(checked: Checker, page: str) -> None:
    assert checked.loaded == []
    assert "url(" not in page
    assert "@import" not in page


def test_headings_skip_no_level(checked: Checker) -> None:
    assert checked.headings[0] == 1
    steps = zip(checked.headings, checked.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)


def test_what_the_server_said_is_text(checked: Checker, page: str) -> None:
    assert "<script" not in page
    assert FAILURE["expected"] in checked.text
    assert "ValueError: <script>alert(1)</script>" in checked.text
    assert "7 more like this" in checked.text


def test_page_says_what_the_report_says(checked: Checker) -> None:
    assert "pocket native does not conform: 2 failed, 1 not run, 1 declared away, 2 passed" in (
        checked.text
    )
    assert "2 of 3 cases" in checked.text
    assert "without deflate" in checked.text
    assert "Begin here: 2 failures have this error in the log" in checked.text


def test_page_in_chromium(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_page(stored_report()), encoding="utf-8")
    problems: list[str] = []
    requested: list[str] = []
    opened = browser.new_page(color_scheme="dark")
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(file.as_uri())
    failure = opened.locator("#test_close")
    expect(failure.get_by_text(FAILURE["expected"])).to_be_visible()
    expect(failure.get_by_text("must put status.reason & all behind the code.")).to_be_visible()
    expect(failure.get_by_text("a close frame with 4001 and no reason").first).to_be_visible()
    rows = opened.get_by_role("table").first.get_by_role("row")
    expect(rows).to_have_count(5)
    opened.get_by_label("failed or not run").check()
    expect(rows.filter(visible=True)).to_have_count(3)
    expect(rows.filter(has_text="CLOSE")).to_be_visible()
    opened.emulate_media(media="print")
    expect(opened.get_by_role("group")).to_be_hidden()
    assert problems == []
    assert requested == [file.as_uri()]
    opened.close()
