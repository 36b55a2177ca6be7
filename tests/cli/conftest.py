"""A user's project, and servers that run in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import APP, DEADLINE, Project, Running, StartServing


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A directory with an `app.py` that has a `registry` with an `/echo`."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder)
    made.write("app.py", APP)
    return made


@pytest.fixture
def start(project: Project) -> Iterator[StartServing]:
    """Return a function that starts a server in the project, on a free port."""
    processes: list[subprocess.Popen[str]] = []

    def run(*words: str, target: str = "app:registry") -> Running:
        place = () if "--unix" in words else ("--port", "0")
        processes.append(
            subprocess.Popen(
                project.argv("serve", target, *place, *words),
                cwd=project.folder,
                env=project.variables(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return Running(processes[-1])

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE)
