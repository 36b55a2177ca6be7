"""Make the compatibility tables of the reports: `python -m turnout.testing.table REPORT ...`.

A report is what `turnout conformance NAME --json FILE` or `pytest --report FILE` writes; a folder
stands for all that are in it. Several reports of one engine, of different versions and Pythons,
make one column: the worst outcome counts. A page gets what it has the marker lines of: the table
with its notes, the summary, or both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from turnout.capabilities import Capabilities
from turnout.testing.digest import JsonReport
from turnout.testing.markdown import (
    anchor_of,
    insert,
    link_to_test,
    needs_anchor,
    plain,
    table,
)
from turnout.testing.matrix import (
    DECLARATION,
    Column,
    Note,
    columns_of,
    notes_of,
    python_of,
    pythons_of,
)
from turnout.testing.rows import Row

__all__ = ["main", "render_summary", "render_table"]

TABLE, SUMMARY = "compatibility table", "compatibility summary"
MADE_BY = "python -m turnout.testing.table"
PAGE = "docs/reference/compatibility.md"
MARKS = {"passed": "✓", "failed": "✗", "not run": "?"}
MEANINGS = {one.name: str(one.metadata.get("meaning", "")) for one in fields(Capabilities)}
OPTIONS_TEST = "test_unsupported_options"


def render_table(reports: Iterable[JsonReport]) -> str:
    """Return rows by engines as Markdown, the versions that were run, and a note per deviation."""
    columns = columns_of(reports)
    notes = [note for column in columns for note in notes_of(column)]
    header = ["", *(column.label.replace(" ", "<br>") for column in columns)]
    rows = [
        [
            f"[{plain(row.value)}](suite.md#{anchor_of(row)})",
            *(_cell(column, row, notes) for column in columns),
        ]
        for row in Row
    ]
    parts = [
        "## Rows and engines",
        table(header, rows, centred=True),
        "## Versions that were run",
        "Tests passed, and in brackets those declared away; - was not run.",
        _versions(columns),
        "## What is different, and the test that proves it",
        "\n".join(_note(number, note) for number, note in enumerate(notes, 1)) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def render_summary(reports: Iterable[JsonReport]) -> str:
    """Return one line for each engine as Markdown."""
    columns = columns_of(reports)
    header = ["engine", "server", "Python", "passed", "declared away", "without"]
    return table(header, [_summary(column) for column in columns])


def _cell(column: Column, row: Row, notes: Sequence[Note]) -> str:
    outcome = column.outcome(row)
    partly = "✓" if column.has_passed(row) else "no"
    numbers = [
        f"[{number}](#note-{number})"
        for number, note in enumerate(notes, 1)
        if note.column == column.label and row in note.rows
    ]
    return " ".join([MARKS.get(outcome, partly), *numbers])


def _versions(columns: Sequence[Column]) -> str:
    pythons = pythons_of(columns)
    rows = [
        [column.label, version, *(_run(column.run_of(version, python)) for python in pythons)]
        for column in columns
        for version in column.versions()
    ]
    return table(["engine", "version", *(f"Python {python}" for python in pythons)], rows)


def _run(run: JsonReport | None) -> str:
    if run is None:
        return "-"
    counts = run["counts"]
    if counts["failed"] or counts["not run"]:
        return f"✗ {counts['failed'] + counts['not run']} of {sum(counts.values())}"
    away = f" ({counts['declared away']})" if counts["declared away"] else ""
    return f"{counts['passed']}{away}"


def _note(number: int, note: Note) -> str:
    begin = f'{number}. <a id="note-{number}"></a>**{note.column}**'
    tests = ", ".join(map(link_to_test, note.tests))
    if note.kind == "failure":
        return f"{begin} {' and '.join(note.names)} fails {tests}."
    if note.kind == "options":
        options = ", ".join(f"`{name}`" for name in note.names)
        return f"{begin} refuses these options at start: {options} ({link_to_test(OPTIONS_TEST)})."
    (name,) = note.names
    number_of = f"{len(note.tests)} test{'' if len(note.tests) == 1 else 's'}"
    left_out = f" Left out: [{number_of}](suite.md#{needs_anchor(name)})." if tests else ""
    proof = link_to_test(f"{DECLARATION}{name}")
    meaning = plain(MEANINGS.get(name) or name)
    return f"{begin} is without `{name}`: {meaning} ({proof}).{left_out}"


def _summary(column: Column) -> list[str]:
    run = column.newest
    counts = run["counts"]
    fails = any(one["counts"]["failed"] or one["counts"]["not run"] for one in column.runs)
    without = [f"`{name}`" for name, able in run["capabilities"].items() if not able]
    without += [f"`{name}`" for name in run["declared_away"] if name != "compression"]
    pythons = sorted({python_of(one) for one in column.runs}, key=lambda one: one.split("."))
    return [
        column.label,
        " ".join(filter(None, (run["distribution"], run["version"]))) or "-",
        ", ".join(pythons),
        f"{'✗ ' if fails else ''}{counts['passed']} of {sum(counts.values())}",
        str(counts["declared away"] or "-"),
        ", ".join(without) or "-",
    ]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def main(words: Sequence[str] | None = None) -> int:
    """Read reports and write the tables into pages, or print the large one."""
    parser = argparse.ArgumentParser(prog=MADE_BY, description=__doc__)
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT")
    parser.add_argument("--into", type=Path, action="append", default=[], metavar="PAGE")
    arguments = parser.parse_args(words)
    paths = [one for path in arguments.reports for one in _files(path)]
    if not paths:
        parser.error("no report is there: run the conformance suite first")
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    texts = {TABLE: render_table(reports), SUMMARY: render_summary(reports)}
    for page in arguments.into:
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        new = insert(old, texts, MADE_BY)
        if new is None:
            parser.error(f"{page} has no line <!-- {TABLE}: begin -->, nor of the summary")
        page.write_text(new, encoding="utf-8")
    if not arguments.into:
        print(texts[TABLE], end="")  # noqa: T201  # that is what was asked for
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
