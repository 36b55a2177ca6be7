"""Each command line is started once, for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.command_lines import CommandLine, free_port
from tests.frameworks.rows import ROWS, Row

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Hosted:
    """A framework's application that runs."""

    row: Row
    server: CommandLine
    notes_file: Path

    @property
    def notes(self) -> list[str]:
        """What the application has written down."""
        return self.notes_file.read_text().splitlines()


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.command)
def hosted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosted]:
    """Run a command line of the table."""
    row: Row = request.param
    notes = tmp_path_factory.mktemp("hosted") / "notes"
    notes.touch()
    environment = {"NOTES": str(notes)}
    port = free_port() if "{port}" in row.command else None
    command = row.command.format(port=port).split()
    with CommandLine(command, directory=APPS, environment=environment, port=port) as server:
        yield Hosted(row, server, notes)
