"""A strategy in a distribution of its own has the rights of those that come with turnout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.packaging.conftest import Installation

pytestmark = pytest.mark.timeout(400)  # the first of them installs everything

THIRD_PARTY = Path(__file__).parents[1] / "third_party"


@pytest.fixture(scope="module")
def run(install: Callable[[], Installation], wheel: Path) -> Callable[..., str]:
    """Return what runs a program of an environment that holds turnout and the outside strategy."""
    environment = install()
    python = str(environment.bin / "python")
    environment.run("python", "-m", "pip", "install", "--quiet", f"{wheel}[conformance]")
    environment.run("python", "-m", "pip", "install", "--quiet", "--no-deps", str(THIRD_PARTY))
    shutil.copy(THIRD_PARTY / "test_conformance.py", environment.directory)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, "-m", *arguments],
            cwd=environment.directory,
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    return run


def test_it_is_listed(run: Callable[..., str]) -> None:
    engines = json.loads(run("turnout.cli", "engines", "--json"))
    assert "pocket" in json.dumps(engines)


def test_it_passes_the_conformance_suite_by_one_import(run: Callable[..., str]) -> None:
    printed = run("pytest", "-q", "test_conformance.py")
    passed = re.search(r"(\d+) passed", printed)
    assert passed is not None
    assert int(passed[1]) > 400
    assert "failed" not in printed


def test_its_author_reads_that_it_conforms(run: Callable[..., str]) -> None:
    printed = run("turnout.cli", "conformance", "pocket", "--only", "PINGS", "--html", "page.html")
    assert "pocket conforms: " in printed.splitlines()[-1]
