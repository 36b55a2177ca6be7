"""The real command line, in processes of its own, in a directory of the user's."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import TypeAlias

from turnout.http import Address
from turnout.testing import RawClient

DEADLINE = 30.0
PLACE = re.compile(r"listening on (?:wss?://(.+):(\d+)|unix:(\S+)) ")
APP = """
    from turnout import WebSocketHandlerRegistry, WebSocketOptions

    registry = WebSocketHandlerRegistry(options=WebSocketOptions(max_binary_size=10))

    @registry.websocket("/echo")
    async def echo(session):
        async for message in session:
            await session.send(message)
"""


@dataclass(frozen=True)
class Project:
    """A user's directory, and commands that run in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    prefix: tuple[str, ...] = ()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip(), encoding="utf-8")
        return path

    def argv(self, *words: str) -> list[str]:
        return [*self.prefix, self.python, "-W", "error", "-m", "turnout.cli", *words]

    def variables(self, **changes: str) -> dict[str, str]:
        return {**os.environ, **self.environment, **changes}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `turnout WORDS` to its end."""
        return subprocess.run(
            self.argv(*words),
            check=False,
            cwd=self.folder,
            env=self.variables(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def run_on_a_terminal(self, *words: str, **variables: str) -> tuple[int, str]:
        """Return the exit code of a command whose output is a terminal, and what it has written."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.argv(*words),
            cwd=self.folder,
            env=self.variables(**{"TERM": "xterm", **variables}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # Linux's end of a terminal
            pass
        os.close(ours)
        return process.wait(DEADLINE), written.decode()


class Running:
    """A `turnout serve` that has said where it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        self.line = process.stdout.readline()
        watchdog.cancel()

    @property
    def address(self) -> Address:
        found = PLACE.search(self.line)
        assert found is not None, self.end()
        return found[3] or (found[1], int(found[2]))

    def connect(self, path: str = "/echo", **fields: str) -> RawClient:
        client = RawClient(self.address)
        client.open(path, **fields)
        return client

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Return the exit code, and the rest of what was written to both outputs."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, output, errors


StartServing: TypeAlias = Callable[..., Running]
