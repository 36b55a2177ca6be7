"""The marks that the suite's tests carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from turnout.testing.rows import Row

__all__ = ["both_colours", "requires", "rule", "slow"]

Test = TypeVar("Test", bound=Callable[..., Any])

both_colours = pytest.mark.parametrize("colour", ["async", "plain"])
slow = pytest.mark.slow


def rule(row: Row, text: str) -> Callable[[Test], Test]:
    """Say which row a test belongs to, and in words the rule that it holds."""
    return pytest.mark.rule(row=row.name, text=text)


def requires(*capabilities: str) -> Callable[[Test], Test]:
    """Say which capabilities a test needs; where one is declared away, so is the test."""
    return pytest.mark.requires(*capabilities)
