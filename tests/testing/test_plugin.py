"""The suite as an outside author runs it: one import, a name, and a report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnout.testing import run_conformance

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ONE_IMPORT = "from turnout.testing.suite import *\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs pytest on a module, as strictly as pytest can be."""

    def run_pytest(module: str, *options: str) -> Any:
        (tmp_path / "test_mine.py").write_text(module)
        strict = ["-c", os.devnull, "--rootdir", str(tmp_path), "--strict-markers", "-W", "error"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", "test_mine.py", *strict, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pytest


def test_one_import_and_a_variable(run: Run) -> None:
    done = run(ONE_IMPORT + 'ENGINE = "wsproto"\n', "-k", "test_accepted_handshake")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_one_import_and_an_option(run: Run) -> None:
    options = ["-p", "turnout.testing.plugin", "--engine", "wsproto"]
    done = run(ONE_IMPORT, *options, "-k", "test_accepted_handshake")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_no_engine_named(run: Run) -> None:
    done = run(ONE_IMPORT, "-k", "test_accepted_handshake")
    assert done.returncode != 0
    assert "which engine? Give --engine NAME" in done.stdout


def test_unknown_engine(run: Run) -> None:
    done = run(ONE_IMPORT + 'ENGINE = "wsprotto"\n', "-k", "test_accepted_handshake")
    assert done.returncode != 0
    assert "did you mean 'wsproto'?" in done.stdout


def test_slow_tests_can_be_left_out(run: Run) -> None:
    done = run(ONE_IMPORT + 'ENGINE = "wsproto"\n', "-m", "slow", "--collect-only", "-q")
    assert "test_many_connections" in done.stdout
    assert "test_accepted_handshake" not in done.stdout


def test_capability_that_is_denied_and_shown_fails(run: Run, tmp_path: Path) -> None:
    """What is declared away is left out of the tests, and the declaration itself is tested."""
    module = """
import pytest
from turnout.capabilities import Capabilities
from turnout.testing.suite import *

@pytest.fixture(scope="session")
def capabilities():
    return Capabilities(partial_send=False)
"""
    options = ["-p", "turnout.testing.plugin", "--engine", "wsproto", "--report", "report.json"]
    done = run(module, *options, "-k", "partial_send or pieces_out")
    assert done.returncode == 1
    tests = json.loads((tmp_path / "report.json").read_text())["rows"]["PIECES"]["tests"]
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_declaration_of_partial_send": "failed",
        "test_pieces_out[async]": "declared away",
        "test_pieces_out[plain]": "declared away",
    }
    assert "partial_send" in tests["test_pieces_out[async]"]["message"]


def test_server_that_does_not_start_is_a_failure(run: Run) -> None:
    options = ["-p", "turnout.testing.plugin", "--engine", "wsproto"]
    done = run(ONE_IMPORT, *options, "--subject", "no_such_module:x", "-k", "accepted_handshake")
    assert done.returncode == 1
    assert "no_such_module" in done.stdout


def test_server_command_can_be_replaced(run: Run) -> None:
    """An engine that the command line cannot start is started by its own program."""
    module = """
import dataclasses, sys, pytest
from turnout.testing.suite import *

ENGINE = "wsproto"

@pytest.fixture(scope="session")
def server_command(server_command):
    program = (sys.executable, "-c", "import sys; sys.exit('another program: ' + sys.argv[1])")
    return dataclasses.replace(server_command, program=program)
"""
    done = run(module, "-k", "test_accepted_handshake")
    assert "another program: turnout.testing.subject:registry" in done.stdout


@pytest.mark.parametrize(("selected", "code"), [("test_accepted_handshake", 0), ("no_such", 5)])
def test_run_from_a_program(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], selected: str, code: int
) -> None:
    report = tmp_path / "report.json"
    script = (
        "import sys; from turnout.testing import run_conformance;"
        f"sys.exit(run_conformance('wsproto', None, {str(report)!r}, ['-k', {selected!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert report.exists() == (code == 0)


def test_missing_pytest_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from turnout.errors import ConfigurationError

    monkeypatch.setattr("turnout.testing.conformance.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r'pip install "turnout\[conformance\]"'):
        run_conformance("wsproto")
