"""`turnout conformance`: exit code, report, and what is passed on to pytest."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import Project
from tests.cli.strangers import install_stranger

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


def test_an_engine_that_conforms(project: Project) -> None:
    result = project.run("conformance", "wsproto", "--json", "report.json", "--", "-k", "accept")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads((project.folder / "report.json").read_text())
    assert report["engine"] == "wsproto"
    assert report["rows"]["ACCEPT"]["outcome"] == "passed"


def test_an_engine_that_does_not(project: Project, tmp_path: Path) -> None:
    site = str(install_stranger(tmp_path, WRONG_KEY))
    words = ("conformance", "stranger", "--json", "report.json", "--", "-k", "accept")
    result = project.run(*words, PYTHONPATH=site)
    assert result.returncode == 1, result.stdout
    report = json.loads((project.folder / "report.json").read_text())
    assert report["rows"]["ACCEPT"]["outcome"] == "failed"


def test_the_tests_of_the_directory_are_left_alone(project: Project) -> None:
    project.write("conftest.py", "raise SystemExit('imported')")
    project.write("pytest.ini", "[pytest]\naddopts = --no-such-option\n")
    result = project.run("conformance", "wsproto", "--", "-k", "accept")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_selection_without_a_test_proves_nothing(project: Project) -> None:
    result = project.run("conformance", "wsproto", "--", "-k", "no_test_is_called_so")
    assert result.returncode == 1
