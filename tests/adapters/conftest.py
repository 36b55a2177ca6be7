"""Each folder here is for one engine, and is collected where that engine is the one under test."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the folders of other engines; without `--engine`, all of them are collected."""
    engine = config.getoption("--engine", default=None)
    folder = collection_path.relative_to(HERE).parts[:1]
    if engine is None or not folder or not (HERE / folder[0]).is_dir():
        return None
    return True if folder[0] != engine.replace("-", "_") else None
