"""Make the page that lists the suite: `python -m turnout.testing.suite_page --into PAGE`.

Every test has an anchor of its name, so that notes of compatibility can point to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from turnout.testing.advice import ROW_ADVICE, link_references
from turnout.testing.inventory import TestFunction, inventory
from turnout.testing.markdown import anchor_of, insert, plain, table
from turnout.testing.rows import Row

__all__ = ["main", "render_suite"]

REGION = "suite"
MADE_BY = "python -m turnout.testing.suite_page"


def render_suite() -> str:
    """Return every row with its tests, as Markdown."""
    by_row = groupby(inventory(), key=lambda one: one.row)
    return "\n\n".join(_section(row, list(tests)) for row, tests in by_row) + "\n"


def _section(row: Row, tests: Sequence[TestFunction]) -> str:
    advice = ROW_ADVICE[row]
    return "\n\n".join(
        [
            f"## {row.name} {{ #{anchor_of(row)} }}",
            f"**{plain(row.value)}** ({link_references(advice.source)})",
            f"If it fails: {' '.join(advice.change.split())}",
            table(["test", "rule", "needs", "in"], [_line(test) for test in tests]),
        ]
    )


def _line(test: TestFunction) -> list[str]:
    return [
        f'<a id="{test.name}"></a>`{test.name}`',
        link_references(plain(test.rule)),
        ", ".join(f"`{name}`" for name in test.requires) or "-",
        f"`{test.file}`",
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Write the list into a page, or print it."""
    parser = argparse.ArgumentParser(prog=MADE_BY, description=__doc__)
    parser.add_argument("--into", type=Path, metavar="PAGE")
    page: Path | None = parser.parse_args(words).into
    if page is None:
        print(render_suite(), end="")  # noqa: T201  # that is what was asked for
        return 0
    new = insert(page.read_text(encoding="utf-8"), {REGION: render_suite()}, MADE_BY)
    if new is None:
        parser.error(f"{page} has no line <!-- {REGION}: begin -->")
    page.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
