"""turnout in an application that granian serves by its own command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.asgi_host import Host
from tests.adapters.asgi_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.asgi_mounted import SOURCE

HOST = "granian"
MANY = 50


@pytest.mark.parametrize("runtime", ["mt", "st"])
def test_everyone_is_told_of_the_end(tmp_path: Path, runtime: str) -> None:
    with Host(HOST, tmp_path, SOURCE, "--runtime-mode", runtime) as host:
        clients = [host.connect("/echo/one") for _ in range(MANY)]
        host.process.terminate()
        for client in clients:
            assert client.read_close().code == 1001
            client.stream.close()
        assert host.process.wait(20) == 0
        host.wait_for("closed 1001\n" * MANY)
        assert "panicked" not in host.output
