"""turnout in an application that uvicorn serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.asgi_mounted import check_not_mounted

from turnout_adapters.uvicorn.strategy import UvicornSansioStrategy

HOST = "uvicorn"
ENDS = 1012
"""uvicorn closes its own WebSockets before it tells anybody of the end."""


def test_strategy_that_needs_its_own_server_is_refused() -> None:
    check_not_mounted(UvicornSansioStrategy())
