"""The suite as data: every function of it, with its row, its rule and what it needs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from turnout.testing.marks import marks_of
from turnout.testing.rows import Row

__all__ = ["TestFunction", "inventory", "test_functions"]


@dataclass(frozen=True, slots=True)
class TestFunction:
    """One function of the suite; pytest makes several tests of most."""

    __test__ = False  # not a test of pytest's

    name: str
    row: Row
    rule: str
    requires: tuple[str, ...]
    file: str
    line: int


def inventory() -> list[TestFunction]:
    """Return the functions of the suite, by row and in the order of their source."""
    order = {row: number for number, row in enumerate(Row)}
    return sorted(_functions(), key=lambda one: (order[one.row], one.file, one.line))


def test_functions() -> Iterator[str]:
    """Yield the names of all functions."""
    from turnout.testing import suite

    yield from (name for name in suite.__all__ if name.startswith("test_"))


def _functions() -> Iterator[TestFunction]:
    from turnout.testing import suite

    for name in test_functions():
        function = getattr(suite, name)
        marks = marks_of(function)
        (rule,) = (kwargs for mark, _, kwargs in marks if mark == "rule")
        yield TestFunction(
            name=name,
            row=Row[rule["row"]],
            rule=rule["text"],
            requires=tuple(one for mark, args, _ in marks if mark == "requires" for one in args),
            file=Path(inspect.getsourcefile(function) or "").name,
            line=inspect.getsourcelines(function)[1],
        )
