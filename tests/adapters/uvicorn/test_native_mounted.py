"""turnout in an application that uvicorn serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server

HOST = "uvicorn"
ENDS = 1012
"""uvicorn closes its own WebSockets before it tells anybody of the end."""
