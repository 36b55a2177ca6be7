"""turnout in an application that granian serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server

HOST = "granian"
