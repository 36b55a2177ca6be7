"""What was measured, as a table, as JSON and as a chart; only ratios mean anything."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

__all__ = ["COLUMNS", "Figures", "Row", "Table", "chart", "show", "table_of", "write"]

PACKAGES = (
    "turnout",
    "aiohttp",
    "gevent",
    "gevent-websocket",
    "granian",
    "hypercorn",
    "picows",
    "tornado",
    "uvicorn",
    "uvloop",
    "websockets",
    "wsproto",
)
COLUMNS = ("messages/s", "spread", "÷ raw", "÷ bare", "µs of processor", "raw ÷", "bare ÷")
BAR, GAP, LEFT, WIDTH = 16, 6, 300, 760


@dataclass(slots=True)
class Row:
    """One subject under one load: a figure for each round, and what it is compared with."""

    name: str
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    against: str | None = None

    @property
    def rate(self) -> float:
        """Messages per second, the median of the rounds."""
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for each message, the median of the rounds."""
        return statistics.median(self.costs)

    @property
    def spread(self) -> float:
        """Fastest by slowest round: over 2, something else ran as well."""
        return max(self.rates) / min(self.rates)


@dataclass(slots=True)
class Figures:
    """One subject and what was found of it; None where there is nothing to say."""

    name: str
    values: list[float | None]


@dataclass(slots=True)
class Table:
    """Figures of several subjects, measured in turns."""

    title: str
    columns: Sequence[str]
    rows: list[Figures]

    @property
    def markdown(self) -> str:
        """Return it as Markdown has it."""
        lines = [f"### {self.title}", "", f"| server | {' | '.join(self.columns)} |"]
        lines.append("|---" + "|---:" * len(self.columns) + "|")
        lines += [f"| {row.name} | {' | '.join(map(_cell, row.values))} |" for row in self.rows]
        return "\n".join(lines) + "\n"


def show(tables: Iterable[Table], json_file: Path | None) -> None:
    """Print each table when it is measured, and write them all."""
    shown = []
    for table in tables:
        print(table.markdown, flush=True)
        shown.append(asdict(table))
    if json_file is not None:
        write(json_file, shown)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table_of(title: str, rows: Sequence[Row]) -> Table:
    """Return one load as a table."""
    by_name = {row.name: row for row in rows}
    raw = by_name["raw"]
    shown = []
    for row in rows:
        bare = by_name.get(row.against or "")
        clock = (row.rate, row.spread, row.rate / raw.rate)
        processor = (row.cost, _ratio(raw.cost, row.cost))
        faster, cheaper = None, None
        if bare is not None:
            faster, cheaper = row.rate / bare.rate, _ratio(bare.cost, row.cost)
        shown.append(Figures(row.name, [*clock, faster, *processor, cheaper]))
    return Table(title, COLUMNS, shown)


def _ratio(one: float, other: float) -> float | None:
    """Return nothing for a round so short that the kernel's clock has counted none of it."""
    return one / other if other else None


def environment() -> dict[str, Any]:
    """Return what was measured with, and when."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "processors": os.cpu_count(),  # not `sched_getaffinity`: the load has pinned itself
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def chart(title: str, rows: Sequence[Row]) -> str:
    """Return one load as a bar chart, in shares of raw."""
    raw = next(row for row in rows if row.name == "raw").rate
    top = max(row.rate for row in rows)
    height = (BAR + GAP) * len(rows) + 40
    marks = [_bar(number, row, raw, top) for number, row in enumerate(rows)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="sans-serif" font-size="12">\n<title>{escape(title)}</title>\n'
        f'<text x="8" y="18" font-weight="bold">{escape(title)}: share of raw</text>\n'
        + "\n".join(marks)
        + "\n</svg>\n"
    )


def _bar(number: int, row: Row, raw: float, top: float) -> str:
    above = 30 + number * (BAR + GAP)
    width = (WIDTH - LEFT - 60) * row.rate / top
    colour = "#00796b" if row.name.startswith("turnout") else "#90a4ae"
    baseline = above + BAR - 4
    return (
        f'<text x="{LEFT - 8}" y="{baseline}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect x="{LEFT}" y="{above}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{LEFT + width + 6:.1f}" y="{baseline}">{row.rate / raw:.2f}</text>'
    )


def write(path: Path, tables: Sequence[dict[str, Any]]) -> None:
    """Write everything as JSON, with the command line that it came from."""
    command = f"python -m tests.bench {shlex.join(_without_files(sys.argv[1:]))}"
    document = {"command": command, "environment": environment(), "tables": list(tables)}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _without_files(words: Sequence[str]) -> list[str]:
    """Leave out where the results went, which is of no matter to who repeats a run."""
    files = ("--json", "--svg")
    pairs = zip(("", *words), words, strict=False)
    return [
        word
        for before, word in pairs
        if before not in files and not word.startswith(tuple(f"{one}=" for one in files))
        if word not in files
    ]
