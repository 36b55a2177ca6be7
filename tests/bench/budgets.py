"""What turnout is to reach, as ratios of one run, and what a run has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.bench.connections import HANDSHAKES
from tests.bench.echo import HANDLERS, LOADS
from tests.bench.report import COLUMNS

from turnout.testing.markdown import table

__all__ = ["BUDGETS", "NATIVE", "Budget", "Run", "budget_table", "handshake_table"]

TITLES = [str(LOADS[name]) for name in ("small", "pipelined", "medium")]
OPENED = 0.90
Run: TypeAlias = Mapping[str, Any]
"""What a benchmark has written."""
STARLETTE = tuple(
    f"uvicorn {each} + Starlette" for each in ("websockets-sansio", "websockets", "wsproto")
)


@dataclass(frozen=True, slots=True)
class Budget:
    """One subject beside the fastest of others: the least ratio of messages, for each load.

    A ratio that nothing is asked of is shown all the same.
    """

    subject: str
    others: tuple[str, ...]
    least: tuple[float | None, float | None, float | None] = (None, None, None)
    tls: bool = False

    @property
    def title(self) -> str:
        """Return what is divided by what."""
        others = self.others[0] if len(self.others) == 1 else "the fastest uvicorn + Starlette"
        return f"{self.subject} ÷ {others}{self._suffix}"

    @property
    def loads(self) -> list[str]:
        """Return what the tables are called that it is about."""
        return [f"{title}{self._suffix}" for title in TITLES]

    @property
    def _suffix(self) -> str:
        return " over TLS" if self.tls else ""


HOSTS = ("wsproto", "tornado:standard", "aiohttp:standard", "uvicorn:standard", "granian:standard")
"""Where the standard driver runs on asyncio."""
NATIVE = {
    f"turnout on {strategy}": server
    for strategy, server in (
        ("tornado:native", "tornado"),
        ("aiohttp:native", "aiohttp"),
        ("gevent-websocket", "gevent-websocket"),
        ("uvicorn:websockets-sansio", "uvicorn websockets-sansio"),
        ("uvicorn:websockets", "uvicorn websockets"),
        ("uvicorn:wsproto", "uvicorn wsproto"),
        ("hypercorn", "hypercorn"),
        ("daphne", "daphne"),
        ("granian:native", "granian"),
    )
}
"""The strategies that leave a server's own implementation in place, and that server."""
BUDGETS = (
    *(Budget(f"turnout on {host}", ("raw",), (0.60, 0.50, 0.60)) for host in HOSTS),
    *(Budget(f"turnout on {host} async/stream", ("raw",), (0.45, 0.45, 0.45)) for host in HOSTS),
    Budget("turnout on wsproto", STARLETTE, (3, 3, 2)),
    Budget("turnout on wsproto", ("picows",), (1, 1, 1)),
    Budget("turnout on tornado:standard", ("tornado",), (4, 6, 3)),
    Budget("turnout on tornado:standard", ("tornado",), tls=True),
    Budget("turnout on tornado:native", ("tornado",), tls=True),
    Budget("turnout on wsproto", ("raw",), tls=True),
    Budget("turnout on aiohttp:standard", ("aiohttp",), (1.3, 2, 1.2)),
    Budget("turnout on gevent", ("gevent-websocket",), (4, 8, 100)),
    *(Budget(subject, (server,), (0.90, 0.90, 0.95)) for subject, server in NATIVE.items()),
)


def budget_table(runs: Sequence[Run]) -> str:
    """Return the budgets that runs have measured, as Markdown; what is missed is bold."""
    rates = [_rates_by_title(run) for run in runs]
    rows = [[budget.title, *cells] for budget in BUDGETS if any(cells := [*_cells(budget, rates)])]
    return table(["", *TITLES], rows) if rows else ""


def handshake_table(runs: Sequence[Run]) -> str:
    """Return how many handshakes each engine makes beside the bare one, as Markdown."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for one in run["tables"]:
            if one["title"] == HANDSHAKES:
                for row in one["rows"]:
                    if row["values"][1] is not None:
                        found.setdefault(row["name"], []).append(_shown(row["values"][1], OPENED))
    rows = [[name, " / ".join(cells)] for name, cells in found.items()]
    return table(["", f"handshakes ÷ bare (≥ {OPENED:g})"], rows) if rows else ""


def _rates_by_title(run: Run) -> dict[str, dict[str, float]]:
    usual = f" {HANDLERS[0]}"  # named where a run has other handlers too
    return {
        one["title"]: {row["name"].removesuffix(usual): row["values"][0] for row in one["rows"]}
        for one in run["tables"]
        if one["columns"][0] == COLUMNS[0]
    }


def _cells(budget: Budget, runs: Sequence[Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    for least, title in zip(budget.least, budget.loads, strict=True):
        ratios = [
            _shown(found[budget.subject] / max(others), least)
            for run in runs
            if budget.subject in (found := run.get(title, {}))
            if (others := [found[one] for one in budget.others if one in found])
        ]
        asked = "" if least is None else f" (≥ {least:g})"
        yield f"{' / '.join(ratios)}{asked}" if ratios else ""


def _shown(ratio: float, least: float | None) -> str:
    return f"{ratio:.2f}" if least is None or ratio >= least else f"**{ratio:.2f}**"
