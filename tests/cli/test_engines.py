"""`turnout engines`: the table, the JSON, and colour where it is wanted."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.cli.commands import DEADLINE, Project
from tests.cli.strangers import bare_environment, install_stranger

from turnout import Capabilities

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
IN_TREE = set(PROJECT["entry-points"]["turnout.upgrade_strategies"])
FLAGS = {one.name for one in fields(Capabilities)} - {"unsupported_options"}


def listed(project: Project, **variables: str) -> dict[str, dict[str, Any]]:
    result = project.run("engines", "--json", **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return {one["name"]: one for one in json.loads(result.stdout)}


def test_the_standard_engine_in_json(project: Project) -> None:
    assert listed(project)["wsproto"] == {
        "name": "wsproto",
        "installed": True,
        "provider": {"distribution": "turnout", "version": version("turnout")},
        "server": {"distribution": "wsproto", "version": version("wsproto")},
        "strategies": [
            {
                "name": None,
                "is_default": True,
                "runtime": "asyncio",
                "capabilities": dict.fromkeys(FLAGS, True),
                "unsupported_options": [],
            }
        ],
        "install": 'pip install "turnout"',
        "problem": None,
    }


def test_every_strategy_of_an_engine_in_json(project: Project) -> None:
    engine = listed(project)["tornado"]
    names = [one["name"] for one in engine["strategies"]]
    assert sorted(names) == ["native", "standard"]
    assert [one["is_default"] for one in engine["strategies"]] == [True, False]
    assert all(one["capabilities"].keys() == FLAGS for one in engine["strategies"])


def test_the_table_names_every_engine_in_order(project: Project) -> None:
    result = project.run("engines")
    assert (result.returncode, result.stderr) == (0, "")
    header, *rows = result.stdout.split("\n\n")[0].splitlines()
    assert header.split() == ["engine", "strategy", "runtime", "server", "cannot", "do"]
    first = [row.split()[0] for row in rows if not row.startswith(" ")]
    assert first == sorted(first)
    assert set(first) >= IN_TREE
    assert any(row.startswith("wsproto") and version("wsproto") in row for row in rows)


def test_the_table_explains_every_capability(project: Project) -> None:
    legend = project.run("engines").stdout.split("\n\n")[-1]
    assert {line.split()[0] for line in legend.splitlines()[1:]} == FLAGS


def test_engines_that_are_not_installed_are_listed_with_their_command(
    project: Project, tmp_path: Path
) -> None:
    bare = Project(project.folder, python=bare_environment(tmp_path / "venv"))
    engines = listed(bare)
    assert engines.keys() == IN_TREE
    assert [name for name, one in engines.items() if one["installed"]] == ["wsproto"]
    assert engines["gevent"]["install"] == 'pip install "turnout[gevent]"'
    assert engines["gevent"]["problem"] == "not installed"
    table = bare.run("engines").stdout
    assert 'tornado is not installed: pip install "turnout[tornado]"' in table.splitlines()


def test_a_stranger_is_listed_like_those_in_tree(project: Project, tmp_path: Path) -> None:
    module = """
        from turnout import Capabilities
        from turnout_adapters.wsproto import WsprotoStrategy

        class Strategy(WsprotoStrategy):
            name = "stranger"
            distribution = None
            capabilities = Capabilities(
                tls=False, unsupported_options=frozenset({"idle_timeout"})
            )
    """
    site = str(install_stranger(tmp_path, module, extras=("stranger",)))
    engine = listed(project, PYTHONPATH=site)["stranger"]
    assert engine["provider"] == {"distribution": "turnout-stranger", "version": "0.3"}
    assert engine["server"] == {"distribution": None, "version": None}
    assert engine["install"] == 'pip install "turnout-stranger[stranger]"'
    (row,) = [
        line
        for line in project.run("engines", PYTHONPATH=site).stdout.splitlines()
        if line.startswith("stranger")
    ]
    assert row.split() == ["stranger", "-", "asyncio", "-", "tls,", "idle_timeout"]


def test_a_broken_plug_in_hides_no_other(project: Project, tmp_path: Path) -> None:
    site = str(install_stranger(tmp_path, "Strategy = 7"))
    engines = listed(project, PYTHONPATH=site)
    assert engines["wsproto"]["problem"] is None
    assert engines["stranger"]["problem"] == (
        "the engine 'stranger' names 7, which is no RequestUpgradeStrategy"
    )
    assert (
        "stranger: the engine 'stranger' names 7" in project.run("engines", PYTHONPATH=site).stdout
    )


def test_a_narrow_terminal_gets_what_cannot_be_done_below(project: Project) -> None:
    _, wide = project.run_on_a_terminal("engines", COLUMNS="200", NO_COLOR="1")
    _, narrow = project.run_on_a_terminal("engines", COLUMNS="80", NO_COLOR="1")
    lacking = "partial_messages, partial_send"
    assert any("native" in line and lacking in line for line in wide.splitlines())
    lines = narrow.partition("\r\n\r\n")[0].splitlines()
    assert all(len(line) <= 80 for line in lines)
    (native,) = [n for n, line in enumerate(lines) if line.split()[:1] == ["native"] and n < 4]
    assert lines[native + 1] == f"    {lacking}"


def test_a_terminal_gets_emphasis_unless_it_declines(project: Project) -> None:
    assert "\x1b[1mengine" in project.run_on_a_terminal("engines", NO_COLOR="")[1]
    assert "\x1b" not in project.run_on_a_terminal("engines", NO_COLOR="1")[1]
    assert "\x1b" not in project.run_on_a_terminal("engines", NO_COLOR="", TERM="dumb")[1]


def test_a_pipe_gets_plain_text(project: Project) -> None:
    assert "\x1b" not in project.run("engines", NO_COLOR="").stdout


def test_nobody_reads_on(project: Project) -> None:
    """`turnout engines | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        project.argv("engines"),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")
