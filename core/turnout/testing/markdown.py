"""What the generated pages of the docs have in common: tables, anchors, regions between markers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from turnout.testing.rows import Row

__all__ = ["anchor_of", "insert", "link_to_test", "needs_anchor", "plain", "table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, centred: bool = False) -> str:
    """Return a table; all columns but the first may be centred."""
    rule = ["---", *[":---:" if centred else "---"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def plain(text: str) -> str:
    """Return a text whose characters stand for themselves in Markdown, in a table too."""
    return re.sub(r"([\\*\[\]<>|`])", r"\\\1", text)


def anchor_of(row: Row) -> str:
    """Return the anchor of a row on the page of the suite."""
    return row.name.lower().replace("_", "-")


def needs_anchor(capability: str) -> str:
    """Return the anchor of the list of what needs a capability, on the page of the suite."""
    return f"needs-{capability.replace('_', '-')}"


def link_to_test(function: str) -> str:
    """Return a link to a function of the suite on its page, from a page beside it."""
    if not function.isidentifier():  # what is no test has no place on that page
        return plain(function)
    return f"[{plain(function)}](suite.md#{function})"


def insert(page: str, texts: Mapping[str, str], made_by: str) -> str | None:
    """Return a page with each text between its marker lines; None where it has none of them."""
    found = False
    for name, text in texts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin not in page:
            continue
        found = True
        before, _, rest = page.partition(begin)
        notice = f"<!-- made by `{made_by}`; edit nothing between these lines -->"
        page = f"{before}{begin}\n{notice}\n\n{text.rstrip()}\n\n{end}{rest.partition(end)[2]}"
    return page if found else None
