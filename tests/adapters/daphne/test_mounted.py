"""turnout in an application that daphne serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server

HOST = "daphne"
DENIES = False
"""daphne has no extension for refusals: it answers 403."""
TOO_BIG = 1000
"""autobahn lets an application close with 1000 and 3000 to 4999 only."""
DRAINS = False
"""daphne cuts its connections and cancels the application."""
