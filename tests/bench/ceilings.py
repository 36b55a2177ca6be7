"""What turnout may take at most: memory, for connections and messages, and time to be imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.bench import connections, large, startup
from tests.bench.budgets import NATIVE, Run

from turnout.testing.markdown import table

__all__ = ["import_table", "large_table", "memory_table"]

IN_ALL: Final = 10.0
ABOVE_BARE: Final = 2.0
PEAK: Final = 3.0
IMPORT: Final = 50.0
ASYNC_HANDLERS = ("/async/callback", "/async/stream")


def memory_table(runs: Sequence[Run]) -> str:
    """Return what an idle connection takes, of the standard driver and above native servers."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for one in _tables(runs):
        if one["columns"] != [connections.KIB_EACH]:
            continue
        kib = {row["name"]: row["values"][0] for row in one["rows"]}
        for name in kib:
            for column, cell in _memory(name, kib):
                found.setdefault(name, ([], []))[column].append(cell)
    rows = [[name, " / ".join(whole), " / ".join(above)] for name, (whole, above) in found.items()]
    limits = (f"in all (≤ {IN_ALL:g})", f"above the bare engine (≤ {ABOVE_BARE:g})")
    return table(["KiB of an idle connection", *limits], rows) if rows else ""


def _memory(name: str, kib: Mapping[str, float]) -> Iterator[tuple[int, str]]:
    """Return the one cell that a row has, and in which column, if its budget can be told."""
    subject, _, path = name.rpartition(" ")
    if not subject.startswith("turnout on ") or path not in ASYNC_HANDLERS:
        return
    if subject not in NATIVE:
        yield 0, _shown(kib[name], IN_ALL)
        return
    server = f"{NATIVE[subject]} /"
    for own in (kib[each] for each in kib if each.startswith(server)):
        yield 1, _shown(kib[name] - own, ABOVE_BARE)


def large_table(runs: Sequence[Run]) -> str:
    """Return the most memory that a large message has taken, as a multiple of its size."""
    found: dict[str, dict[str, list[str]]] = {}
    sizes: dict[str, None] = {}
    for one in _tables(runs):
        if one["columns"] != list(large.COLUMNS):
            continue
        sizes[size := large.size_of(one["title"])] = None
        for row in one["rows"]:
            if row["name"].startswith("turnout on ") and row["values"][1] is not None:
                cells = found.setdefault(row["name"], {}).setdefault(size, [])
                cells.append(_shown(row["values"][1], PEAK))
    rows = [
        [name, *(" / ".join(cells.get(size, ())) for size in sizes)]
        for name, cells in found.items()
    ]
    return table([f"peak of memory ÷ message (≤ {PEAK:g})", *sizes], rows) if rows else ""


def import_table(runs: Sequence[Run]) -> str:
    """Return what `import turnout` takes over an interpreter that does nothing."""
    cells = [
        _shown(row["values"][1], IMPORT)
        for one in _tables(runs)
        if one["title"] == startup.BEGINNINGS
        for row in one["rows"]
        if row["name"] == startup.IMPORT
    ]
    header = ["", f"milliseconds of processor over the interpreter (≤ {IMPORT:g})"]
    return table(header, [[f"`{startup.IMPORT}`", " / ".join(cells)]]) if cells else ""


def _tables(runs: Sequence[Run]) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        yield from run["tables"]


def _shown(value: float, most: float) -> str:
    return f"{value:.3g}" if value <= most else f"**{value:.3g}**"
