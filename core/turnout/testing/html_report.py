"""The report as one page that needs nothing else: for a browser, an archive, or paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from turnout.testing.digest import (
    FailedRule,
    JsonReport,
    RowCount,
    causes,
    engine_line,
    failed_rules,
    fold,
    name_of,
    rows,
    verdict,
)
from turnout.testing.html_style import STYLE

__all__ = ["render_page"]

FILTERS = {
    "all": "all rows",
    "failed": "failed or not run",
    "declared": "declared away",
    "passed": "passed",
}
CLASSES = {"passed": "passed", "failed": "failed", "declared away": "declared", "not run": "idle"}


def render_page(report: JsonReport) -> str:
    """Return the page of a report, as HTML."""
    return "\n".join(_page(report)) + "\n"


def _page(report: JsonReport) -> Iterator[str]:
    title = escape(f"Conformance of {name_of(report)}")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f"<header>\n<h1>{title}</h1>\n<p>{escape(engine_line(report))}</p>"
    yield f'<p class="verdict {CLASSES[report["outcome"]]}">{escape(verdict(report))}</p>'
    yield "</header>\n<main>"
    yield from _begin_here(report)
    yield from _rows(report)
    yield from _failures(report)
    yield from _tests(report)
    yield "</main>\n</body>\n</html>"


def _begin_here(report: JsonReport) -> Iterator[str]:
    if report["ended_early"] is not None:
        early = report["ended_early"]
        yield '<section class="failure" id="ended-early">'
        yield f"<h2>Ended early: {escape(early['reason'])}</h2>"
        yield "<p>The other tests were not run.</p>"
        yield from _failure(early["failure"], level=3)
        yield "</section>"
    for cause in causes(report):
        yield '<section class="failure">'
        yield f"<h2>Begin here: {cause.failures} failures have this error in the log</h2>"
        yield f"<p><code>{escape(cause.error)}</code>, raised in"
        yield f"<code>{escape(f'{cause.function}, {cause.file}:{cause.line}')}</code></p></section>"


def _rows(report: JsonReport) -> Iterator[str]:
    yield '<section aria-labelledby="rows">\n<h2 id="rows">The rows of the contract</h2>'
    yield '<fieldset class="filter"><legend>Show</legend>'
    for name, label in FILTERS.items():
        checked = " checked" if name == "all" else ""
        yield (f'<label><input type="radio" name="show" id="show-{name}"{checked}> {label}</label>')
    yield "</fieldset>\n<table>\n<thead><tr>"
    yield "".join(f'<th scope="col">{one}</th>' for one in ("row", "outcome", "tests", "what"))
    yield "</tr></thead>\n<tbody>"
    yield from map(_row, rows(report))
    yield "</tbody>\n</table>\n</section>"


def _row(row: RowCount) -> str:
    cells = (row.outcome, row.in_words(), row.title + row.remark)
    described = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    link = f'<a href="#row-{row.name}">{row.name}</a>'
    return f'<tr class="{CLASSES[row.outcome]}"><th scope="row">{link}</th>{described}</tr>'


def _failures(report: JsonReport) -> Iterator[str]:
    failed = list(failed_rules(report))
    if not failed:
        return
    yield '<section aria-labelledby="failures">\n<h2 id="failures">Failures</h2>'
    for rule in failed:
        yield from _failed_rule(rule)
    yield "</section>"


def _failed_rule(rule: FailedRule) -> Iterator[str]:
    yield f'<article class="failure" id="{escape(rule.function)}">'
    yield f"<h3>{escape(rule.rule)}</h3>"
    cases = f", {len(rule.cases)} of {rule.all_cases} cases" if rule.all_cases > 1 else ""
    where = f" ({escape(rule.failure['where'])})" if rule.failure["where"] else ""
    yield f'<p><a href="#row-{rule.row}">{rule.row}</a>,'
    yield f"<code>{escape(rule.cases[0])}</code>{cases}{where}</p>"
    yield from _failure(rule.failure, level=4)
    yield "</article>"


def _failure(failure: dict[str, Any], level: int) -> Iterator[str]:
    """Yield a failure; `level` is that of its headings."""
    yield "<dl>"
    if failure.get("sources"):
        yield f"<dt>rule from</dt><dd>{', '.join(map(_source, failure['sources']))}</dd>"
    yield f"<dt>expected</dt><dd>{escape(failure['expected'])}</dd>"
    yield f"<dt>got</dt><dd>{escape(failure['got'])}</dd>"
    yield f'<dt>to change</dt><dd class="change">{_code(failure["advice"])}</dd>'
    yield "</dl>"
    if failure["conversation"]:
        yield f"<h{level}>What happened</h{level}>"
        yield from _conversation(fold(failure["conversation"]))
    if failure["log"].strip():
        yield f"<h{level}>In the server's log</h{level}>"
        yield f"<pre>{escape(failure['log'].strip())}</pre>"


def _source(source: dict[str, str | None]) -> str:
    text = escape(source["text"] or "")
    return text if source["url"] is None else f'<a href="{escape(source["url"])}">{text}</a>'


def _code(text: str) -> str:
    """Return a text in which `this` is code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{one}</code>" if at % 2 else one for at, one in enumerate(parts))


def _conversation(said: Iterable[dict[str, str]]) -> Iterator[str]:
    yield '<table class="said"><tbody>'
    for line in said:
        yield f'<tr><th scope="row">{escape(line["who"])}</th><td>{escape(line["what"])}</td></tr>'
    yield "</tbody></table>"


def _tests(report: JsonReport) -> Iterator[str]:
    yield '<section aria-labelledby="tests">\n<h2 id="tests">Every test</h2>'
    for row in rows(report):
        yield f'<h3 id="row-{row.name}">{row.name}: {escape(row.title)}</h3>\n<table>\n<tbody>'
        for name, test in report["rows"][row.name]["tests"].items():
            yield f'<tr class="{CLASSES[test["outcome"]]}">'
            yield f'<th scope="row"><code>{_test_link(name, test)}</code></th>'
            yield f"<td>{test['outcome']}</td><td>{escape(test['rule'])}</td></tr>"
        yield "</tbody>\n</table>"
    yield "</section>"


def _test_link(name: str, test: dict[str, Any]) -> str:
    shown = escape(name)
    if test["outcome"] != "failed":
        return shown
    return f'<a href="#{escape(name.partition("[")[0])}">{shown}</a>'
