"""What is said in two places says the same: versions, engines and commands."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
TOX = configparser.ConfigParser()
TOX.read(ROOT / "tox.ini")
ENGINE_EXTRAS = set(PROJECT["optional-dependencies"]) - {
    *("greenlet", "speedups", "conformance", "asgi", "all")
}
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q tox && .venv/bin/tox -p 3"


def expand(text: str) -> list[str]:
    """Return the names that a line of tox.ini stands for, its braces multiplied out."""
    group = re.search(r"\{([^}]*)\}", text)
    if group is None:
        return [text.strip()]
    options = (option.strip() for option in group[1].split(","))
    return [
        name
        for option in options
        for name in expand(text[: group.start()] + option + text[group.end() :])
    ]


def environments(label: str) -> list[str]:
    labels = dict(
        [part.strip() for part in line.split("=", 1)]
        for line in TOX["tox"]["labels"].strip().splitlines()
    )
    return expand(labels[label])


def cells() -> set[str]:
    """Return the environments that pass `--engine` to the suite."""
    return {
        factor.strip()
        for factor, separator, setting in (
            line.partition(": ") for line in TOX["testenv"]["set_env"].splitlines()
        )
        if separator and setting.startswith("ENGINE")
    }


def test_every_engine_has_a_cell() -> None:
    engines = set(PROJECT["entry-points"]["turnout.upgrade_strategies"])
    served = set(re.findall(r"--engine (\S+)", TOX["testenv"]["set_env"]))
    assert served == engines


def test_tox_runs_every_cell_but_those_with_a_better_one_beside_them() -> None:
    lines = TOX["tox"]["env_list"].strip().splitlines()
    by_default = {name for line in lines for name in expand(line)}
    beside_a_better_one = {f"uvicorn-{name}" for name in ("sansio", "websockets", "wsproto")}
    assert set(environments("longer")) == beside_a_better_one | {"granian-native"}
    assert cells() - by_default == set(environments("longer"))


def test_matrix_is_every_stated_python_times_the_units_and_every_cell() -> None:
    stated = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    parts = cells() | {"unit"}
    assert set(environments("matrix")) == {
        f"py3{minor}-{part}" for minor in stated for part in parts
    }


def test_no_editable_package_is_built_where_the_wheels_are() -> None:
    for name in TOX.sections():
        section = TOX[name]
        if section.get("package") == "editable":
            assert section["package_env"] != TOX["testenv"]["wheel_build_env"]


def test_a_missing_interpreter_fails_the_matrix() -> None:
    assert TOX["tox"]["skip_missing_interpreters"] == "false"


def test_lowest_environments_install_exactly_the_stated_minimums() -> None:
    engines = (PROJECT["optional-dependencies"][name] for name in ENGINE_EXTRAS)
    needs = [*PROJECT["dependencies"], *(need for needs in engines for need in needs)]
    stated = {need.replace(">=", "==") for need in needs if not need.startswith("turnout[")}
    assert set(re.findall(r"lowest: (\S+==\S+)", TOX["testenv"]["deps"])) == stated


def test_lowest_is_every_cell_on_the_oldest_python() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=").replace(".", "")
    assert set(environments("lowest")) == {f"py{oldest}-{cell}-lowest" for cell in cells()}


def test_all_is_every_other_extra() -> None:
    extras = set(PROJECT["optional-dependencies"]) - {"all"}
    everything = PROJECT["optional-dependencies"]["all"]
    named = {name for one in everything for name in one[len("turnout[") : -1].split(",")}
    assert named == extras


def test_ci_and_readme_run_the_same_command() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == TEST_COMMAND
    assert TEST_COMMAND in (ROOT / "README.md").read_text()
    assert TEST_COMMAND in (ROOT / "CONTRIBUTING.md").read_text()


def test_every_ignored_rule_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lint = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.flake8-bugbear]")]
    rules = re.findall(r'^  "[A-Z]+\d*",.*$', lint, re.MULTILINE)
    assert len(rules) > 20
    assert [rule for rule in rules if not re.search(r"# \S+", rule)] == []
