"""The distribution, built once: the wheel from the sdist, as an index would get them."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",  # its notice would stand behind what was asked for
}


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a freshly built sdist and of the wheel built from it."""
    directory = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(directory),
        str(ROOT),
    ]
    subprocess.run(command, check=True, timeout=180)
    return directory


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Return the wheel."""
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    """Return the source distribution."""
    (path,) = distributions.glob("*.tar.gz")
    return path


class Installation:
    """A virtual environment that holds the wheel and what it needs, and nothing else."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        venv.create(directory, with_pip=True)
        self.bin = directory / "bin"
        self.directory = directory
        self.run("python", "-m", "pip", "install", "--quiet", str(wheel))

    def run(self, program: str, *arguments: str) -> str:
        """Return what a program of the environment prints; it must end with 0."""
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.directory,  # the sources are out of the way
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, f"{program} {arguments} ended so:\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Callable[[], Installation]:
    """Return a function that makes a fresh environment with the wheel installed."""
    return lambda: Installation(tmp_path_factory.mktemp("installation"), wheel)


@pytest.fixture(scope="session")
def installation(install: Callable[[], Installation]) -> Installation:
    """Return an environment with the wheel, for tests that leave it as it is."""
    return install()
