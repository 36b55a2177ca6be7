"""Rows and tests of the suite by name, as an author types them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from turnout.testing.rows import Row

__all__ = ["find_unknown", "is_chosen", "known_names"]


def is_chosen(wanted: Iterable[str], test: str, row: str | None, functions: set[str]) -> bool:
    """Tell whether a test is wanted: by its row, its name, its function, or a part of that.

    A name that is that of one of the `functions` is no part of others.
    """
    return any(_matches(name, test, row, functions) for name in wanted)


def _matches(name: str, test: str, row: str | None, functions: set[str]) -> bool:
    row_named = _row_called(name)
    if row_named is not None:
        return row == row_named
    if "[" in name:
        return test in (name, f"test_{name}")
    function = test.partition("[")[0]
    whole = {name, f"test_{name}"} & functions
    return function in whole if whole else name in function


def find_unknown(wanted: Sequence[str], tests: Iterable[str]) -> str | None:
    """Return the first name that stands for no row and for none of these functions."""
    functions = list(tests)
    for name in wanted:
        plain = name.partition("[")[0]
        if _row_called(name) is None and not any(plain in one for one in functions):
            return name
    return None


def known_names(tests: Iterable[str]) -> list[str]:
    """Return all that can be asked for: the rows and the functions."""
    return [*(row.name for row in Row), *tests]


def _row_called(name: str) -> str | None:
    spelled = name.upper().replace("-", "_")
    return spelled if spelled in Row.__members__ else None
