"""Run the whole suite against one engine, from a program rather than from pytest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from turnout.errors import ConfigurationError

__all__ = ["check_requirements", "pytest_options", "run_conformance"]

NEEDED = {
    "pytest": "the suite",
    "pytest_timeout": "its time limits",
    "trustme": "its TLS certificates",
}


def run_conformance(
    engine: str,
    strategy: str | None = None,
    report: str | Path | None = None,
    arguments: Sequence[str] = (),
) -> int:
    """Test the engine of that name; return 0 when it conforms, 1 when it does not.

    `strategy` is `native` or `standard` where the engine has both; `report` takes the results as
    JSON; `arguments` go to pytest. Raises `ConfigurationError` where pytest is not installed.
    """
    check_requirements()
    import pytest

    return int(pytest.main([*pytest_options(engine, strategy, report), *arguments]))


def check_requirements() -> None:
    """Raise `ConfigurationError` with the command that installs what the suite needs."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{missing[0].replace('_', '-')} is not installed, {NEEDED[missing[0]]} needs it:"
            ' pip install "turnout[conformance]"'
        )


def pytest_options(
    engine: str, strategy: str | None = None, report: str | Path | None = None
) -> list[str]:
    """Return pytest's command line for the suite."""
    # Neither settings nor plugins nor tests of the directory where the command happens to run.
    options = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest"]
    options += ["-p", "turnout.testing.plugin", "-p", "no:cacheprovider", "--engine", engine]
    if strategy is not None:
        options += ["--strategy", strategy]
    if report is not None:
        options += ["--report", str(Path(report).absolute())]
    return [*options, "-q", "--pyargs", "turnout.testing.suite"]
