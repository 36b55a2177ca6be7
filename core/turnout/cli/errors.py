"""What goes wrong on the command line, as one clear line and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["FAILED", "MISUSE", "CommandError", "nearest"]

FAILED = 1
"""The command did its work and the answer is no."""
MISUSE = 2
"""The command could not do its work as it was asked to."""


class CommandError(Exception):
    """Ends the command with one line on standard error; `code` is the exit code."""

    def __init__(self, message: str, code: int = MISUSE) -> None:
        super().__init__(message)
        self.code = code


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean '...'?`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
