"""Refused handshakes on granian, which has fields of its own for each, and panics at others.

A worker of granian panics at a field that is repeated in a refusal. Behind one, the connection goes
on; one that says `Connection: close` would neither go on nor end for as long as anything refers to
granian's `receive` or `send`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

__all__ = ["denial_fields", "keeps_connections"]

log = logging.getLogger("turnout.granian")

Field = tuple[bytes, bytes]


def denial_fields(fields: Iterable[Field]) -> list[Field]:
    """Return the fields of a refusal as the host takes them.

    On granian, those of the same name are joined, as RFC 9110 section 5.3 allows. Set-Cookie is no
    list: of several, the first is sent.
    """
    if not _is_granian():
        return list(fields)
    joined: dict[bytes, bytes] = {}
    for name, value in fields:
        if name == b"connection":
            continue
        if name not in joined:
            joined[name] = value
        elif name != b"set-cookie":
            joined[name] += b", " + value
        else:
            log.warning(  # its name alone: the value may be a secret
                "granian refuses a handshake with one Set-Cookie only; left out: %r",
                value.partition(b"=")[0],
            )
    return list(joined.items())


def keeps_connections() -> bool:
    """Tell whether the host serves the next request behind a refused handshake."""
    return _is_granian()


def _is_granian() -> bool:
    return "granian" in sys.modules
