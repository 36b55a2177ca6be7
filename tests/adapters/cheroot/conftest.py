"""cheroot's own server in a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from cheroot.server import HTTPConnection
from cheroot.wsgi import Server
from tests.adapters.threaded_host import RunServer, ThreadedServer, started


class QuietConnection(HTTPConnection):
    """A connection that drops what it could not write: else Python 3.13 tells of that."""

    def close(self) -> None:
        """Close the socket, then the file that writes to it."""
        super().close()
        with contextlib.suppress(OSError):
            self.wfile.close()


class Running(ThreadedServer):
    """A server with an application; `errors` are what it complains of."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.server = Server(("127.0.0.1", 0), app, **{"numthreads": 4, **settings})
        self.errors: list[str] = []
        server: Any = self.server
        server.ConnectionClass = QuietConnection
        server.error_log = lambda msg="", level=20, traceback=False: self.errors.append(msg)
        self.server.prepare()
        self.address = self.server.bind_addr
        super().__init__(self.server.serve)

    def stop(self) -> None:
        """Have the server stop."""
        self.server.stop()


@pytest.fixture
def run_server() -> Iterator[RunServer]:
    """Return a function that starts a server; see `Running`."""
    yield from started(Running)
