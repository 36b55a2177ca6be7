"""turnout in an application that hypercorn serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server

HOST = "hypercorn"
TOLD = 1006
"""hypercorn tells every close of the peer as 1006."""
