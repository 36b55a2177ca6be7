"""What `turnout serve --engine uvicorn` mends in uvicorn's HTTP, for turnout's own driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from turnout.testing.engines import command_for
from turnout.testing.server import Server
from turnout_adapters.uvicorn import UvicornStandardStrategy

TWO_LINES = [("Upgrade", "keep-alive"), ("keep-alive", "Upgrade")]


@pytest.fixture(scope="module")
def standard() -> Iterator[Server]:
    """A server with turnout's driver, whatever strategy the run is for."""
    command = command_for("uvicorn", "standard", UvicornStandardStrategy.capabilities, None)
    with Server(command) as running:
        yield running
        running.stop().check()


@pytest.mark.parametrize(("first", "second"), TWO_LINES)
def test_connection_in_two_lines(standard: Server, first: str, second: str) -> None:
    with standard.connect() as client:
        client.open("/async/echo", connection=first, headers=(("Connection", second),))


def test_upgrade_that_offers_several_protocols(standard: Server) -> None:
    with standard.connect() as client:
        client.open("/async/echo", upgrade="h2c, websocket")
    with standard.connect() as client:
        assert client.handshake("/async/echo", upgrade="h2c, websocket/2").status == 400
