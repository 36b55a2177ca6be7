"""`turnout conformance`: exit codes, selection, reports, and what an environment cannot change."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.commands import DEADLINE, Project
from tests.cli.strangers import bare_environment, install_stranger

WRONG_KEY = """
    from turnout_adapters.wsproto import WsprotoStrategy

    class Strategy(WsprotoStrategy):
        name = "stranger"

        async def upgrade(self, request, response, upgrade):
            upgrade.response_headers[:] = [
                (name, "AAAA" if name.lower() == "sec-websocket-accept" else value)
                for name, value in upgrade.response_headers
            ]
            await super().upgrade(request, response, upgrade)
"""
SMALL = ("--only", "test_accepted_handshake")


def test_an_engine_that_conforms(project: Project) -> None:
    result = project.run("conformance", "wsproto", "--json", "report.json", *SMALL)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads((project.folder / "report.json").read_text())
    assert (report["schema"], report["engine"]) == (1, "wsproto")
    assert report["rows"]["ACCEPT"]["outcome"] == "passed"
    lines = result.stdout.splitlines()
    assert lines[0] == "2 tests"
    assert lines[1].startswith("wsproto (wsproto ")
    assert lines[3].startswith("passed         ACCEPT         2 passed")
    assert lines[-1].startswith("wsproto conforms: 2 passed (")


def test_an_engine_that_does_not(project: Project, tmp_path: Path) -> None:
    site = str(install_stranger(tmp_path, WRONG_KEY))
    words = ("conformance", "stranger", "--json", "report.json", *SMALL)
    result = project.run(*words, PYTHONPATH=site)
    assert result.returncode == 1, result.stdout
    assert result.stdout.splitlines()[-1].startswith("stranger does not conform: 2 failed (")
    report = json.loads((project.folder / "report.json").read_text())
    assert report["rows"]["ACCEPT"]["outcome"] == "failed"
    failure = report["rows"]["ACCEPT"]["tests"]["test_accepted_handshake[async]"]["failure"]
    assert failure["got"] == "'AAAA'"
    assert failure["sources"] == [
        {
            "text": "RFC 6455 §4.2.2",
            "url": "https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2",
        }
    ]


def test_an_author_reads_no_traceback_unless_asked(project: Project, tmp_path: Path) -> None:
    site = str(install_stranger(tmp_path, WRONG_KEY))
    words = ("conformance", "stranger", *SMALL)
    brief = project.run(*words, PYTHONPATH=site).stdout
    full = project.run(*words, "--verbose", PYTHONPATH=site).stdout
    assert "assert " not in brief
    assert "to change" in brief
    assert 'assert response.headers["Sec-WebSocket-Accept"]' in full
    assert "to change" in full


def test_json_alone_on_standard_output(project: Project) -> None:
    result = project.run("conformance", "wsproto", "--json", "-", *SMALL)
    assert result.returncode == 0
    assert json.loads(result.stdout)["counts"]["passed"] == 2
    assert "wsproto conforms: 2 passed" in result.stderr


def test_terminal_that_knows_ascii_only(project: Project) -> None:
    words = ("conformance", "wsproto", "--only", "VERSION")
    result = project.run(*words, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "version not supported ? 426" in result.stdout


def test_page(project: Project) -> None:
    result = project.run("conformance", "wsproto", "--html", "report.html", *SMALL)
    assert result.returncode == 0
    assert (project.folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_a_terminal_sees_one_line_that_moves(project: Project) -> None:
    code, written = project.run_on_a_terminal("conformance", "wsproto", *SMALL, NO_COLOR="")
    assert code == 0
    assert "\r\x1b[K1 of 2 tests, none failed: ACCEPT test_accepted_handshake[async]" in written
    assert "\x1b[32mpassed" in written


def test_a_terminal_that_declines_colour(project: Project) -> None:
    code, written = project.run_on_a_terminal("conformance", "wsproto", *SMALL, NO_COLOR="1")
    assert code == 0
    assert "passed         ACCEPT" in written
    assert "\x1b[32m" not in written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wsprotto"], "no engine is called 'wsprotto'; did you mean 'wsproto'?"),
        (["wsproto", "--strategy", "native"], "has no strategy 'native'"),
        (["wsproto", "--only", "CLOSED"], "is called 'CLOSED'; did you mean 'CLOSE'?"),
        (["wsproto", "--only", "test_acepted_handshake"], "mean 'test_accepted_handshake'?"),
        (["wsproto", "--only", "test_accepted_handshake[none]"], "no test was selected"),
        (["wsproto", "--", "-k", "no_test_is_called_so"], "no test was selected"),
        (["wsproto", "--json", "no/such/folder/x"], "cannot write no/such/folder/x"),
        (["wsproto", "--html", "no/such/folder/x"], "cannot write no/such/folder/x"),
        (["wsproto", "--json", "-", "--html", "-"], "takes one of --json and --html"),
        (["wsproto", "--", "--no-such-option"], "unrecognized arguments: --no-such-option"),
    ],
    ids=lambda one: one[-1] if isinstance(one, list) else "",
)
def test_misuse(project: Project, words: list[str], message: str) -> None:
    result = project.run("conformance", *words)
    assert result.returncode == 2, result.stdout
    assert message in result.stderr


def test_pytest_is_missing(project: Project, tmp_path: Path) -> None:
    bare = Project(project.folder, python=bare_environment(tmp_path / "venv"))
    result = bare.run("conformance", "wsproto")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "turnout: error: pytest is not installed, the suite needs it:"
        ' pip install "turnout[conformance]"\n'
    )


def test_the_tests_and_settings_of_the_directory_are_left_alone(project: Project) -> None:
    project.write("conftest.py", "raise SystemExit('imported')")
    project.write("pytest.ini", "[pytest]\naddopts = --no-such-option\n")
    result = project.run("conformance", "wsproto", *SMALL, PYTEST_ADDOPTS="--no-such-option")
    assert (result.returncode, result.stderr) == (0, "")


def test_rows_and_tests_are_selected_by_name(project: Project) -> None:
    words = ("--only", "pings", "--only", "test_close_twice[plain]")
    result = project.run("conformance", "wsproto", "--json", "-", *words)
    rows = json.loads(result.stdout)["rows"]
    assert {name for name, row in rows.items() if row["tests"]} == {"PINGS", "STATES"}
    assert list(rows["STATES"]["tests"]) == ["test_close_twice[plain]"]


def test_interrupt_ends_everything(project: Project) -> None:
    process = subprocess.Popen(
        project.argv("conformance", "wsproto"),
        cwd=project.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().endswith(" tests\n")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (1, "turnout: interrupted\n")
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(process.pid, 0)
