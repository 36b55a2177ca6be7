"""Servers started by command lines of their own, with applications that turnout is mounted in."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Self

from turnout.testing.client import RawClient
from turnout.testing.server import _Lines as Lines

__all__ = ["DEADLINE", "CommandLine", "free_port"]

DEADLINE = 30.0
BOUND = r"\b127\.0\.0\.1:(?P<port>[1-9]\d*)|unix:(?P<path>\S+)"
"""What servers that are told to take port 0 say when they listen."""


def free_port() -> int:
    """Return a port for a server that does not tell which one it has taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class CommandLine:
    """A running server; its command is a module of this Python's, as in `python -m`.

    It has started when its output matches `ready`, which also tells the address; or, for a server
    that does not, when `port` accepts connections.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        ready: str = BOUND,
        port: int | None = None,
    ) -> None:
        self._output = Lines()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "default", "-m", *command],
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that all of its processes can be ended
        )
        self._output.read(self.process.stdout)
        self.address: tuple[str, int] | str
        try:
            self.address = self._announced(ready) if port is None else self._accepting(port)
        except (TimeoutError, AssertionError):
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def output(self) -> str:
        """What it has written so far, to standard output and to standard error."""
        return self._output.text

    @property
    def place(self) -> str:
        """Host and port, as in a URL."""
        return f"{self.address[0]}:{self.address[1]}"

    def wait_for(self, pattern: str) -> str:
        """Return the output once it matches."""
        return self._output.wait_for(re.compile(pattern), DEADLINE)

    def connect(self, target: str | None = None, **fields: object) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=DEADLINE)
        if target is not None:
            client.open(target, **fields)
        return client

    def _announced(self, ready: str) -> tuple[str, int] | str:
        found = re.search(ready, self.wait_for(ready))
        assert found is not None
        named = found.groupdict()
        return named.get("path") or ("127.0.0.1", int(named["port"]))

    def _accepting(self, port: int) -> tuple[str, int]:
        address = ("127.0.0.1", port)
        deadline = time.monotonic() + DEADLINE
        while True:  # nobody tells when: ask again and again
            assert self.process.poll() is None, self.output
            try:
                socket.create_connection(address, timeout=DEADLINE).close()
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return address

    def signal(self, number: Signals = SIGTERM) -> None:
        """Send a signal to the process that was started."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code once it has ended, and all that it has written has come."""
        code = self.process.wait(DEADLINE)
        self._output.join()
        return code

    def stop(self, number: Signals = SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.signal(number)
        return self.wait()

    def kill(self) -> None:
        """Make sure that all its processes are gone."""
        with contextlib.suppress(ProcessLookupError):  # they have ended
            os.killpg(self.process.pid, SIGKILL)
        self.process.wait(DEADLINE)
        self._output.join()
