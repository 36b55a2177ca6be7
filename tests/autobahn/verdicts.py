"""What the Autobahn cases found about one server, and how two findings compare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

__all__ = ["VERDICTS", "Results", "Verdicts", "read_index", "verdict_of"]

Verdicts: TypeAlias = dict[str, str]
"""By the number of the case."""

VERDICTS = (
    "OK",
    "informational",
    "non-strict",
    "unimplemented",
    "unclean",
    "wrong code",
    "failed",
)
"""From the best to the worst."""


def verdict_of(behavior: str, behavior_close: str) -> str:
    """Return one word for the two of a case: what was exchanged, and how the connection ended."""
    if "INFORMATIONAL" in (behavior, behavior_close):
        return "informational"
    close = {"WRONG CODE": "wrong code", "UNCLEAN": "unclean", "FAILED BY CLIENT": "unclean"}
    if behavior not in ("OK", "NON-STRICT", "UNIMPLEMENTED"):
        return "failed"
    if behavior_close in close:
        return close[behavior_close]
    if behavior_close != "OK":
        return "failed"
    return {"OK": "OK", "NON-STRICT": "non-strict"}.get(behavior, "unimplemented")


def read_index(index: Mapping[str, Any]) -> Verdicts:
    """Return the verdicts that kosoku has written, by what a server calls itself now and then."""
    return {
        number: verdict_of(case["behavior"], case["behaviorClose"])
        for cases in index.values()
        for number, case in cases.items()
    }


@dataclass(frozen=True, slots=True)
class Results:
    """The verdicts on one server."""

    name: str
    bare: bool
    version: str
    cases: Verdicts

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        """Keep the results for the table."""
        kind = "bare-" if self.bare else ""
        path = folder / f"{kind}{self.name.replace(' ', '-')}.json"
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @property
    def counts(self) -> list[int]:
        """How many cases got each verdict, in their order."""
        counter = Counter(self.cases.values())
        return [counter[verdict] for verdict in VERDICTS]

    def worse_than(self, other: Results) -> dict[str, str]:
        """Return the verdicts on the cases in which the other server did better."""
        return {
            number: verdict
            for number, verdict in self.cases.items()
            if VERDICTS.index(verdict) > VERDICTS.index(other.cases[number])
        }
