"""The conformance suite: what every engine shows, whoever wrote it.

An engine's own repository runs all of it with one line in a test module::

    from turnout.testing.suite import *

and `pytest -p turnout.testing.plugin --engine NAME`, or a variable `ENGINE = "NAME"` beside the
import. `turnout conformance NAME` does the same without a test module. Tests ask for
capabilities, never for engines' names.

What is particular to an engine goes into the same module, as a fixture: `server_command` starts
the server in another way than `turnout serve` does.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

pytest_plugins: list[str] = ["turnout.testing.plugin"]

MODULES = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]
pytest.register_assert_rewrite(*MODULES)


def _collect() -> dict[str, Any]:
    tests: dict[str, Any] = {}
    for module in MODULES:
        members = vars(importlib.import_module(module))
        found = {name: test for name, test in members.items() if name.startswith("test_")}
        if twice := tests.keys() & found.keys():
            raise ImportError(f"two modules of the suite have a test called {min(twice)}")
        tests.update(found)
    return tests


_tests = _collect()
globals().update(_tests)
__all__ = ["pytest_plugins", *_tests]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]  # the tests
