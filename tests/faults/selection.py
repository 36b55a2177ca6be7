"""A pytest plugin: of the suite, what a fault has to be seen by, and what it must not touch.

All cases of its row's tests, and one case of each other test; left out are those of other rows
that take seconds or start a server of their own.
"""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the row's own tests, and of the others one case each if it is fast."""
    row = os.environ["TURNOUT_FAULT_ROW"]
    others = {getattr(item, "function", item): item for item in reversed(items) if _is_fast(item)}
    chosen = {id(item) for item in others.values()}
    kept = [item for item in items if _row(item) == row or id(item) in chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _row(item: pytest.Item) -> str:
    mark = item.get_closest_marker("rule")
    return "" if mark is None else mark.kwargs["row"]


def _is_fast(item: pytest.Item) -> bool:
    own_server = "start_server" in getattr(item, "fixturenames", ())
    return item.get_closest_marker("slow") is None and not own_server
