"""turnout in an application that daphne serves by its own command line."""

from __future__ import annotations

from tests.adapters.asgi_host import Host
from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.asgi_mounted import check_not_mounted

from turnout_adapters.daphne import DaphneStrategy

HOST = "daphne"
DENIES = False
"""daphne has no extension for refusals: it answers 403."""


def test_reason_of_a_close(host: Host) -> None:
    with host.connect("/echo/one") as client:
        client.send_text("close")
        assert client.read_close() == (4001, "bye")


def test_strategy_that_needs_its_own_server_is_refused() -> None:
    check_not_mounted(DaphneStrategy())
