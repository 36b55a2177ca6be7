"""What the wheel holds, and what installing and importing it brings along."""

from __future__ import annotations

import configparser
import json
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.packaging.conftest import Installation

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = {"turnout": "core", "turnout_adapters": "adapters", "turnout_compat": "compat"}

LOADED = """
import json, sys
before = set(sys.modules)
import turnout
print(json.dumps(sorted(set(sys.modules) - before)))
"""
FOREIGN = {
    "aiohttp",
    "asyncio",
    "gevent",
    "geventwebsocket",
    "greenlet",
    "socket",
    "ssl",
    "subprocess",
    "tornado",
    "turnout_adapters",
    "turnout_compat",
}


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def dist_info(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def metadata(wheel: Path) -> Message:
    return HeaderParser().parsestr(dist_info(wheel, "METADATA"))


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    files = {
        str(path.relative_to(ROOT / root))
        for package, root in PACKAGES.items()
        for path in (ROOT / root / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in names(wheel) if ".dist-info/" not in name}
    assert packed == files
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_wheel_is_pure_python(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheel_registers_the_command_and_the_engines(wheel: Path) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(dist_info(wheel, "entry_points.txt"))
    sections = {section: dict(parser[section]) for section in parser.sections()}
    assert sections == {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}


def test_metadata_states_licence_versions_and_extras(wheel: Path) -> None:
    stated = metadata(wheel)
    assert stated["License-Expression"] == "Apache-2.0"
    assert stated.get_all("License-File") == ["LICENSE"]
    assert stated["Requires-Python"] == ">=3.11"
    assert set(stated.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def test_sdist_holds_what_the_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tox.ini", "pyproject.toml", "mkdocs.yml", "tests/conftest.py", "docs/index.md"} <= held


@pytest.mark.timeout(180)
def test_importing_turnout_loads_no_engine_and_no_concurrency_model(
    installation: Installation,
) -> None:
    loaded = {
        name.partition(".")[0] for name in json.loads(installation.run("python", "-c", LOADED))
    }
    assert "turnout" in loaded
    assert not loaded & FOREIGN


@pytest.mark.timeout(180)
def test_base_install_needs_wsproto_and_h11_only(installation: Installation) -> None:
    listed = json.loads(installation.run("python", "-m", "pip", "list", "--format=json"))
    assert {package["name"] for package in listed} - {"pip", "setuptools"} == {
        "turnout",
        "wsproto",
        "h11",
    }


@pytest.mark.timeout(180)
def test_the_command_line_runs_from_the_base_install(installation: Installation) -> None:
    assert "usage: turnout" in installation.run("turnout", "--help")
    assert "wsproto" in installation.run("turnout", "engines")


@pytest.mark.timeout(180)
def test_the_demo_runs_from_the_base_install(installation: Installation) -> None:
    installation.run("turnout", "demo", "--check")
