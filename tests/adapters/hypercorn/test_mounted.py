"""turnout in an application that hypercorn serves by its own command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.asgi_host import Host
from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.asgi_mounted import SOURCE, check_not_mounted

from turnout_adapters.hypercorn import HypercornStrategy

HOST = "hypercorn"
TOLD = 1006
"""hypercorn tells every close of the peer as 1006."""


@pytest.mark.parametrize("path", ["/echo/one", "/echo/watched"], ids=["bare", "middleware"])
def test_end_is_not_put_off_by_sessions(tmp_path: Path, path: str) -> None:
    with Host(HOST, tmp_path, SOURCE, "--graceful-timeout", "1000") as host:
        with host.connect(path) as client:
            client.send_text("hello")
            client.read_text()
            host.process.terminate()
            assert client.read_close().code == 1001
        host.process.wait(20)
        host.wait_for("closed 1001")


def test_strategy_that_needs_its_own_server_is_refused() -> None:
    check_not_mounted(HypercornStrategy())
