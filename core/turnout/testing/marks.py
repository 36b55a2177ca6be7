"""The marks that the suite's tests carry.

They are notes on the functions first; the plugin makes pytest's marks of them. So a module that
imports the suite does not depend on marks that pytest gets to know only through that import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from turnout.testing.rows import Row

__all__ = ["both_colours", "marks_of", "requires", "rule", "slow"]

Test = TypeVar("Test", bound=Callable[..., Any])

both_colours: pytest.MarkDecorator = pytest.mark.parametrize("colour", ["async", "plain"])


def rule(row: Row, text: str) -> Callable[[Test], Test]:
    """Say which row a test belongs to, and in words the rule that it holds."""
    return _note("rule", row=row.name, text=text)


def requires(*capabilities: str) -> Callable[[Test], Test]:
    """Say which capabilities or options a test needs; without one of them it is left out."""
    return _note("requires", *capabilities)


def slow(test: Test) -> Test:
    """Say that a test takes seconds rather than milliseconds."""
    return _note("slow")(test)


def marks_of(test: object) -> list[tuple[str, tuple[str, ...], dict[str, str]]]:
    """Return the name and the arguments of each mark of a test function."""
    return getattr(test, "turnout_marks", [])


def _note(name: str, *args: str, **kwargs: str) -> Callable[[Test], Test]:
    def decorate(test: Test) -> Test:
        marks = [*marks_of(test), (name, args, kwargs)]
        test.turnout_marks = marks  # type: ignore[attr-defined]  # a note on a function
        return test

    return decorate
