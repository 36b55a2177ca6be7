"""The figures of soaks, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from tests.soak.soak import SoakResult

__all__ = ["as_markdown"]

MIB = 1 << 20


def as_markdown(results: Iterable[SoakResult]) -> str:
    """Return a table with a column for each engine."""
    every = list(results)
    rows = [["", *(result.engine for result in every)], ["---" for _ in range(len(every) + 1)]]
    columns = [_column(result) for result in every]
    rows += [[name, *(column[name] for column in columns)] for name in columns[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _column(result: SoakResult) -> dict[str, str]:
    broken = sum(count for how, count in result.ends.items() if "closed" not in how)
    strokes = f"{result.processes_killed}, {result.processes_stopped}"
    return {
        "minutes": f"{result.seconds / 60:g}",
        "connections at a time": f"{result.connections:,} (seen: {result.most_sessions:,})",
        "connections opened": f"{result.opened:,}",
        "cut, killed or broken off": f"{broken:,}",
        "how they ended": ", ".join(f"{how} {count:,}" for how, count in result.ends.items()),
        "never opened": ", ".join(f"{why} {n:,}" for why, n in result.never_opened.items()),
        "client processes killed, stopped": strokes,
        "too busy for its figures": f"{result.unanswered} times",
        "messages acknowledged": f"{result.acknowledged:,}",
        "**violations**": f"**{len(result.failures)}**",
        "resident memory": _pair(result, "memory", MIB, " MiB"),
        "heap of C in use": _pair(result, "heap", MIB, " MiB"),
        "blocks of Python": _pair(result, "blocks"),
        "descriptors": _pair(result, "descriptors"),
        "threads": _pair(result, "threads"),
        "tasks": _pair(result, "tasks"),
        "greenlets": _pair(result, "greenlets"),
        "sessions": _pair(result, "sessions"),
    }


def _pair(result: SoakResult, name: str, unit: int = 1, suffix: str = "") -> str:
    before, after = result.before.get(name, 0), result.after.get(name, 0)
    shown = [f"{value / unit:,.1f}" if unit > 1 else f"{value:,}" for value in (before, after)]
    return f"{shown[0]} → {shown[1]}{suffix}"
