"""Faults, one or more for each row of the contract, each with the tests that it must fail.

A fault replaces something inside the server's process, before the test subject is served; nothing
in the production code knows of it. That it fails exactly these tests shows two things: that the
row is really held, and that a report of the suite names what is wrong and nothing else. Where it
is chance whether a test sees a fault, as when the kernel joins what was sent byte by byte, the
test is named apart: it may fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    may_fail: frozenset[str]
    seed: Callable[[], None]


FAULTS: dict[str, Fault] = {}


def fault(
    row: Row, *fails: str, may_fail: Iterable[str] = ()
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a fault into the catalogue under its function's name."""

    def enter(seed: Callable[[], None]) -> Callable[[], None]:
        name = seed.__name__
        FAULTS[name] = Fault(name, row, frozenset(fails), frozenset(may_fail), seed)
        return seed

    return enter


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace an attribute by what `make` returns for the one that is there."""
    setattr(owner, name, make(getattr(owner, name)))
