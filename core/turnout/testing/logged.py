"""The errors in a server's log: what was raised, and where in the code of its author."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from turnout.testing.agreed import DETAIL

__all__ = ["LoggedError", "last_error"]

TRACEBACK = re.compile(
    r"""^[ |+]*Traceback[ ]\(most[ ]recent[ ]call[ ]last\):\n
        (?P<frames>(?:[ |+]+\S.*\n)+)
        [ |+]*(?P<error>[A-Za-z_][\w.]*(?::.*)?)$""",
    re.MULTILINE | re.VERBOSE,
)
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
OWN = Path(__file__).parents[1]
"""turnout itself: an error that it has raised is blamed on the code that has called it."""


@dataclass(frozen=True, slots=True)
class LoggedError:
    """One traceback: the last line of it, and the innermost frame outside turnout."""

    error: str
    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.error} ({self.file}:{self.line}, in {self.function})"


def last_error(log: str) -> LoggedError | None:
    """Return the last error of a log that no handler of the suite has raised on purpose."""
    found = [match for match in TRACEBACK.finditer(log) if DETAIL not in match["error"]]
    return _read(found[-1]) if found else None


def _read(match: re.Match[str]) -> LoggedError | None:
    frames = list(FRAME.finditer(match["frames"]))
    if not frames:
        return None
    outside = [one for one in frames if not Path(one["file"]).is_relative_to(OWN)]
    frame = (outside or frames)[-1]
    return LoggedError(match["error"].strip(), frame["file"], int(frame["line"]), frame["function"])
