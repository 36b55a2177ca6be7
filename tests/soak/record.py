"""What the clients were told, in files that outlive them: they are killed at any moment.

`Slots` holds, for each connection that a client process has open now, its number and the last
message that was acknowledged: memory shared with a file. `Ends` gets a line for each connection
that has ended before its process did.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Ends", "Record", "Slots", "read_record"]

SLOT = struct.Struct("<QQ")


class Slots:
    """One pair of numbers for each connection that is open; 0 where none is."""

    def __init__(self, path: Path, count: int) -> None:
        path.write_bytes(bytes(SLOT.size * count))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def set(self, slot: int, client: int, acknowledged: int) -> None:
        """Note how far the connection of a slot has come."""
        SLOT.pack_into(self._map, slot * SLOT.size, client, acknowledged)


class Ends:
    """A line for each connection that is over, and for each thing that went wrong."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def ended(self, client: int, acknowledged: int, how: str) -> None:
        """Note the end of a connection that had been open."""
        self._write(f"ended {client} {acknowledged} {how}")

    def never_opened(self, why: str) -> None:
        """Note an attempt that did not become a connection."""
        self._write(f"never 0 0 {why}")

    def violation(self, client: int, what: str) -> None:
        """Note something that no server may do."""
        self._write(f"violation {client} 0 {what}")

    def _write(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


@dataclass(slots=True)
class Record:
    """What all clients have noted."""

    acknowledged: dict[int, int] = field(default_factory=dict)
    """The last message that was acknowledged, for each connection that was open."""
    ends: Counter[str] = field(default_factory=Counter)
    never_opened: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def read_record(folder: Path) -> Record:
    """Return what the clients have noted in a folder: `*.slots` and `*.ends`."""
    record = Record()
    for path in sorted(folder.glob("*.ends")):
        with path.open() as lines:
            for line in lines:
                _take(record, *line.split(maxsplit=3))
    for path in sorted(folder.glob("*.slots")):
        for client, acknowledged in SLOT.iter_unpack(path.read_bytes()):
            if client and client not in record.acknowledged:
                record.acknowledged[client] = acknowledged
                record.ends["process killed"] += 1
    return record


def _take(record: Record, event: str, client: str, acknowledged: str, text: str) -> None:
    if event == "ended":
        record.acknowledged[int(client)] = int(acknowledged)
        record.ends[text.strip()] += 1
    elif event == "never":
        record.never_opened[text.strip()] += 1
    else:
        record.violations.append(f"connection {client}: {text.strip()}")
