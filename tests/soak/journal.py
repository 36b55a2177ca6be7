"""What the server's handlers have seen, in a file that outlives them: one short line an event.

A line is written by one system call at the end of the file, so threads and processes may share it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Entry", "Journal", "read_journal"]


class Journal:
    """Written inside the server."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.violations: int = 0

    def opened(self, client: int) -> None:
        """Note that a handler was told of a connection, or began to serve it."""
        self._write(f"opened {client}")

    def closed(self, client: int, received: int) -> None:
        """Note `after_connection_closed`, and the number of the last message received."""
        self._write(f"closed {client} {received}")

    def violation(self, client: int, what: str) -> None:
        """Note a message that should not have come now."""
        self.violations += 1
        self._write(f"violation {client} {what}")

    def _write(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


@dataclass(slots=True)
class Entry:
    """What the journal says of one connection."""

    opened: int = 0
    closed: int = 0
    received: int = 0
    violations: list[str] = field(default_factory=list)


def read_journal(path: Path) -> dict[int, Entry]:
    """Return every connection that the handlers have seen, by the number its client gave it."""
    entries: dict[int, Entry] = defaultdict(Entry)
    with path.open() as lines:
        for line in lines:
            event, client, *rest = line.split(maxsplit=2)
            entry = entries[int(client)]
            if event == "opened":
                entry.opened += 1
            elif event == "closed":
                entry.closed += 1
                entry.received = int(rest[0])
            else:
                entry.violations.append(rest[0].strip())
    return dict(entries)
