"""What the Autobahn cases found about one server, and how two findings compare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["VERDICTS", "Results", "verdict_of"]

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


@dataclass(frozen=True, slots=True)
class Results:
    """The verdicts on one server, by the number of the case."""

    name: str
    bare: bool
    version: str
    cases: Mapping[str, str]

    @classmethod
    def from_index(cls, index: Mapping[str, Any], **fields: Any) -> Self:
        """Read what kosoku has written about the one server that it has met."""
        (cases,) = index.values()
        verdicts = {
            number: verdict_of(case["behavior"], case["behaviorClose"])
            for number, case in cases.items()
        }
        return cls(cases=verdicts, **fields)

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
