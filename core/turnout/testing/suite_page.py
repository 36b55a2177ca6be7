"""Make the page that lists the suite: `python -m turnout.testing.suite_page --into PAGE`.

Every test has an anchor of its name, so that notes of compatibility can point to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path

from turnout.capabilities import Capabilities
from turnout.testing.advice import ROW_ADVICE, link_references
from turnout.testing.inventory import TestFunction, inventory
from turnout.testing.markdown import anchor_of, insert, needs_anchor, plain, table
from turnout.testing.rows import Row

__all__ = ["main", "render_suite"]

REGION = "suite"
MADE_BY = "python -m turnout.testing.suite_page"


def render_suite() -> str:
    """Return every row with its tests, and every capability with what needs it, as Markdown."""
    tests = inventory()
    sections = [_section(row, list(own)) for row, own in groupby(tests, key=lambda one: one.row)]
    return "\n\n".join([*sections, _capabilities(tests)]) + "\n"


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


def _capabilities(tests: Sequence[TestFunction]) -> str:
    names = {test.name for test in tests}
    lines = []
    for one in fields(Capabilities):
        proof = f"test_declaration_of_{one.name}"
        needing = [link(test.name) for test in tests if one.name in test.requires]
        if proof in names:
            anchor = f'<a id="{needs_anchor(one.name)}"></a>`{one.name}`'
            meaning = plain(one.metadata["meaning"])
            lines.append([anchor, meaning, link(proof), ", ".join(needing) or "-"])
    return "\n\n".join(
        [
            "## What a capability is needed by { #capabilities }",
            "Where an engine declares one away, the tests that need it are left out.",
            table(["capability", "what it is", "the declaration's test", "needed by"], lines),
        ]
    )


def link(test: str) -> str:
    """Return a link to a test on this page."""
    return f"[{test}](#{test})"


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
