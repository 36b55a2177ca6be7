"""The engines, the bare servers and the deviations that `engines.toml` lists."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["BARE_SERVERS", "DEVIATIONS", "ENGINES", "BareServer", "Deviation", "Engine", "expected"]


@dataclass(frozen=True, slots=True)
class Engine:
    """One strategy of one engine, as `turnout serve` finds it."""

    name: str
    bare: tuple[str, ...] = ()

    @property
    def choice(self) -> tuple[str, str | None]:
        """What `--engine` and `--strategy` take."""
        engine, _, strategy = self.name.partition(" ")
        return engine, strategy or None


@dataclass(frozen=True, slots=True)
class BareServer:
    """A server without turnout; `command` is what follows `python -m`."""

    name: str
    package: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deviation:
    """Cases that some engines do not simply pass, and why."""

    engines: tuple[str, ...]
    cases: tuple[str, ...]
    verdict: str
    reason: str

    def concerns(self, engine: str, case: str | None = None) -> bool:
        """Tell whether it is about an engine, and about a case of it."""
        return any(fnmatchcase(engine, one) for one in self.engines) and (
            case is None or any(fnmatchcase(case, one) for one in self.cases)
        )


def expected(engine: str, case: str) -> str:
    """Return the verdict that a case must get; two deviations about one case are a mistake."""
    (verdict,) = [one.verdict for one in DEVIATIONS if one.concerns(engine, case)] or ["OK"]
    return verdict


with (Path(__file__).parent / "engines.toml").open("rb") as file:
    _read = tomllib.load(file)

ENGINES = {one["name"]: Engine(one["name"], tuple(one.get("bare", ()))) for one in _read["engine"]}
BARE_SERVERS = {
    one["name"]: BareServer(one["name"], one["package"], tuple(one["command"]))
    for one in _read["bare"]
}
DEVIATIONS = [
    Deviation(tuple(one["engines"]), tuple(one["cases"]), one["verdict"], one["reason"])
    for one in _read["deviation"]
]
