"""Proof that an engine keeps the contract, and tools for testing one's own handlers.

- `run_conformance` and `turnout.testing.suite`: the conformance suite, over real sockets, against
  a server in a process of its own; `turnout.testing.plugin` is its pytest plugin.
- `connect` and `fetch`: a client in memory for tests of your own handlers; no sockets, no sleeps.
- `RawClient`: a WebSocket client that can say any bytes.

pytest is imported by the suite only.
"""

from __future__ import annotations

from turnout.testing.client import RawClient
from turnout.testing.conformance import run_conformance
from turnout.testing.frames import Frame
from turnout.testing.http import HttpResponse
from turnout.testing.memory import MemoryClient, connect, fetch

__all__ = [
    "Frame",
    "HttpResponse",
    "MemoryClient",
    "RawClient",
    "connect",
    "fetch",
    "run_conformance",
]
