"""Talk to the test subject's `act` handlers: JSON commands, JSON answers."""

from __future__ import annotations

import json
from typing import Any

from turnout.testing.client import RawClient

__all__ = ["ask", "command", "read_json"]


def command(client: RawClient, do: str, **arguments: Any) -> None:
    """Send a command and wait for nothing."""
    client.send_text(json.dumps({"do": do, **arguments}))


def ask(client: RawClient, do: str, **arguments: Any) -> Any:
    """Send a command and return the answer."""
    command(client, do, **arguments)
    return read_json(client)


def read_json(client: RawClient) -> Any:
    """Return the next message, read as JSON."""
    return json.loads(client.read_text())
