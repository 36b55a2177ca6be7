"""The ratios of a run that has echoed text and binary messages, all loads side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from tests.bench.budgets import Run
from tests.bench.echo import KINDS
from tests.bench.report import COLUMNS

from turnout.testing.markdown import table

__all__ = ["overview"]

Shares: TypeAlias = dict[str, dict[str, dict[str, float]]]
"""By what was sent, by the kind of message, by the server."""
TITLES: Final = {"÷ raw": "Share of raw", "÷ bare": "Multiple of the server without turnout"}


def overview(run: Run) -> Iterator[str]:
    """Return a table for each ratio: a column for each load, text and binary in its cells."""
    echoes = [one for one in run["tables"] if one["columns"] == list(COLUMNS) and _kind(one)]
    for column, title in TITLES.items():
        shares = _shares(echoes, COLUMNS.index(column))
        if not any(len(kinds) == len(KINDS) for kinds in shares.values()):
            return
        servers = dict.fromkeys(row["name"] for one in echoes for row in one["rows"])
        rows = [[server, *cells] for server in servers if any(cells := [*_cells(server, shares)])]
        if rows:
            yield f"### {title}: text, binary\n\n{table(['server', *shares], rows)}\n"


def _shares(echoes: list[Mapping[str, Any]], column: int) -> Shares:
    shares: Shares = {}
    for one in echoes:
        kind = _kind(one)
        shares.setdefault(one["title"].replace(f" {kind}", ""), {})[kind] = {
            row["name"]: row["values"][column]
            for row in one["rows"]
            if row["values"][column] is not None
        }
    return shares


def _kind(echoed: Mapping[str, Any]) -> str:
    """Return of which kind the messages of a table were."""
    return next((kind for kind in KINDS if f" {kind}" in echoed["title"]), "")


def _cells(server: str, shares: Shares) -> Iterator[str]:
    for kinds in shares.values():
        found = [kinds.get(kind, {}).get(server) for kind in KINDS]
        shown = ", ".join("-" if one is None else f"{one:.3g}" for one in found)
        yield "" if found == [None, None] else shown
