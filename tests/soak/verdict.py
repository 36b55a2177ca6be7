"""What the handlers' journal and the clients' record say together."""

from __future__ import annotations

from collections.abc import Mapping

from tests.soak.journal import Entry
from tests.soak.record import Record

__all__ = ["RETURNING", "differences", "violations"]

RETURNING = ("descriptors", "threads", "tasks", "greenlets")
"""What must be as it was, exactly or below."""
GROWTH = {"blocks": (0.02, 3000), "heap": (0.05, 2 << 20), "memory": (0.5, 16 << 20)}
"""The share and the amount by which something may grow that caches and fragments keep.

Blocks of Python and bytes of the C heap show what is leaked; the resident memory has the holes
between what is left, which differ from storm to storm.
"""


def violations(journal: Mapping[int, Entry], record: Record) -> list[str]:
    """Return everything that was lost, repeated, mixed up or told twice; at best nothing."""
    found = list(record.violations)
    for client, entry in journal.items():
        found += [f"connection {client}: the handler got {what}" for what in entry.violations]
        if (entry.opened, entry.closed) != (1, 1):
            found.append(
                f"connection {client}: told of its begin {entry.opened} times, of its end"
                f" {entry.closed} times"
            )
    for client, acknowledged in record.acknowledged.items():
        entry = journal.get(client, Entry())
        if not entry.opened:
            found.append(f"connection {client}: open for its client, no handler has seen it")
        elif entry.received < acknowledged:
            found.append(
                f"connection {client}: message {acknowledged} acknowledged, the handler's last"
                f" was {entry.received}"
            )
    return found


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Return what has not returned to where it was."""
    found = [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in RETURNING
        if after[name] > before[name]
    ]
    for name, (share, slack) in GROWTH.items():
        if after[name] > before[name] * (1 + share) + slack:
            found.append(f"{name}: {before[name]:,} before, {after[name]:,} after")
    if after["sessions"]:
        found.append(f"sessions: {after['sessions']} are left, and no client is")
    if after["process"] != before["process"]:
        found.append(f"the server's process: {before['process']} before, {after['process']} after")
    return found
