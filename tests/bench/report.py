"""What was measured, as a table, as JSON and as a chart; only ratios mean anything."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

__all__ = ["Row", "as_json", "chart", "environment", "markdown"]

PACKAGES = ("turnout", "aiohttp", "tornado", "gevent", "gevent-websocket", "uvicorn", "websockets")
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


def markdown(title: str, rows: Sequence[Row]) -> str:
    """Return one load as a table."""
    by_name = {row.name: row for row in rows}
    raw = by_name["raw"]
    lines = [
        f"### {title}",
        "",
        "| server | messages/s | spread | ÷ raw | ÷ bare | µs of processor | raw ÷ | bare ÷ |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        bare = by_name.get(row.against or "")
        cells = [
            row.name,
            f"{row.rate:,.0f}",
            f"{row.spread:.2f}",
            f"{row.rate / raw.rate:.2f}",
            "" if bare is None else f"{row.rate / bare.rate:.2f}",
            f"{row.cost:.1f}",
            f"{raw.cost / row.cost:.2f}",
            "" if bare is None else f"{bare.cost / row.cost:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def as_json(title: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return one load with the figures of every round."""
    return {
        "load": title,
        "rows": [
            {
                "name": row.name,
                "rates": row.rates,
                "costs": row.costs,
                "against": row.against,
                "rate": row.rate,
                "cost": row.cost,
            }
            for row in rows
        ],
    }


def environment() -> dict[str, Any]:
    """Return what was measured with."""
    return {
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
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


def write(path: Path, loads: Sequence[dict[str, Any]]) -> None:
    """Write everything as JSON."""
    document = {"environment": environment(), "loads": list(loads)}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
