"""Faults, one or more for each row of the contract, each with the tests that it must fail.

A fault replaces something inside the server's process, before the test subject is served; nothing
in the production code knows of it. That it fails exactly these tests shows two things: that the
row is really held, and that a report of the suite names what is wrong and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from turnout.testing.rows import Row

__all__ = ["FAULTS", "Fault", "fault", "replace"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One deliberate mistake, how to make it, and the functions of the suite that must fail."""

    name: str
    row: Row
    fails: frozenset[str]
    seed: Callable[[], None]


FAULTS: dict[str, Fault] = {}


def fault(row: Row, *fails: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a fault into the catalogue under its function's name."""

    def enter(seed: Callable[[], None]) -> Callable[[], None]:
        FAULTS[seed.__name__] = Fault(seed.__name__, row, frozenset(fails), seed)
        return seed

    return enter


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace an attribute by what `make` returns for the one that is there."""
    setattr(owner, name, make(getattr(owner, name)))
