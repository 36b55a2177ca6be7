"""The server under test: the command line in a process of its own, on a port of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

from turnout.http import Address
from turnout.testing.agreed import EVENTS_VARIABLE
from turnout.testing.client import RawClient
from turnout.testing.deadlines import DEADLINE
from turnout.testing.events import EventLog

__all__ = ["SUBJECT", "Server", "ServerCommand", "StartError", "StartServer", "Stopped"]

SUBJECT = "turnout.testing.subject:registry"
START_DEADLINE = max(20.0, DEADLINE)
LISTENING = re.compile(r"listening on (?:(wss?)://(.+):(\d+)|unix:(\S+))")
COMPLAINTS = re.compile(
    r"was never awaited|was destroyed but it is pending|exception was never retrieved"
    r"|ResourceWarning|Exception ignored in|has no effect when using ssl"
)


class StartError(Exception):
    """The server ended, or said nothing, before it listened."""

    def __init__(self, returncode: int | None, stdout: str, stderr: str) -> None:
        super().__init__(f"the server did not start ({returncode}): {stdout}{stderr}")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCommand:
    """A command line that serves a registry; `options` are further flags, as typed."""

    engine: str
    strategy: str | None = None
    subject: str = SUBJECT
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = (sys.executable, "-W", "default", "-m", "turnout.cli", "serve")

    @property
    def argv(self) -> list[str]:
        """The whole command line, on a free port unless it says otherwise."""
        strategy = [] if self.strategy is None else ["--strategy", self.strategy]
        place = [] if "--unix" in self.options else ["--host", "127.0.0.1", "--port", "0"]
        engine = ["--engine", self.engine, *strategy]
        return [*self.program, self.subject, *engine, *place, *self.options]


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a server ended."""

    returncode: int
    stderr: str

    def check(self) -> None:
        """Raise `AssertionError` unless it ended in order and left nothing undone."""
        assert self.returncode == 0, f"exit code {self.returncode}: {self.stderr[-2000:]}"
        complaint = COMPLAINTS.search(self.stderr)
        assert complaint is None, f"left behind: {self.stderr[-4000:]}"


class Server:
    """A running server; use it as a context manager, or call `stop`."""

    def __init__(self, command: ServerCommand, *, timeout: float = START_DEADLINE) -> None:
        self.command = command
        self.events: EventLog = EventLog()
        self._output = _Lines()
        self._errors = _Lines()
        self.process: subprocess.Popen[str] = _start(command, self.events.write_end)
        self.events.started()
        self._output.read(self.process.stdout)
        self._errors.read(self.process.stderr)
        self.address: Address = self._wait_until_it_listens(timeout)

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
    def log(self) -> str:
        """What the server has written to its standard error so far."""
        return self._errors.text

    def connect(self, **settings: Any) -> RawClient:
        """Return a client with a fresh connection; `settings` are those of `RawClient`."""
        return RawClient(self.address, **settings)

    def wait_for_log(self, pattern: str, *, timeout: float = DEADLINE) -> str:
        """Return the standard error once it has a line that matches `pattern`."""
        return self._errors.wait_for(re.compile(pattern), timeout)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and return at once."""
        self.process.send_signal(number)

    def wait(self, *, timeout: float = 2 * DEADLINE) -> Stopped:
        """Return how the server ended, once it has; raise `TimeoutExpired`."""
        returncode = self.process.wait(timeout)
        self._output.join()
        self._errors.join()
        self.events.close()
        return Stopped(returncode, self.log)

    def stop(self, *, timeout: float = 2 * DEADLINE) -> Stopped:
        """Send SIGTERM and return how the server ended."""
        self.signal()
        return self.wait(timeout=timeout)

    def kill(self) -> None:
        """Make sure that the process is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def _wait_until_it_listens(self, timeout: float) -> Address:
        try:
            found = LISTENING.search(self._output.wait_for(LISTENING, timeout))
        except TimeoutError:
            self.kill()
            error = StartError(self.process.returncode, self._output.text, self.log)
            raise error from None
        assert found is not None
        scheme, host, port, path = found.groups()
        self.secure: bool = scheme == "wss"
        return path or (host.strip("[]"), int(port))


StartServer: TypeAlias = Callable[..., Server]
"""The type of the plugin's `start_server` fixture."""


def _start(command: ServerCommand, events: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        EVENTS_VARIABLE: str(events),
        **command.environment,
    }
    return subprocess.Popen(  # noqa: S603  # the command line is the tester's own
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        pass_fds=(events,),
    )


class _Lines:
    """What a process writes, read by a thread so that it is never held back."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def text(self) -> str:
        """Everything that came so far."""
        with self._changed:
            return "".join(self._text)

    def read(self, source: IO[str] | None) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._read, args=(source,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of what the process writes."""
        if self._thread is not None:
            self._thread.join(timeout=DEADLINE)

    def wait_for(self, pattern: re.Pattern[str], timeout: float) -> str:
        """Return the text once `pattern` is in it; `TimeoutError` when it will not come."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not pattern.search(text := "".join(self._text)):
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no {pattern.pattern!r} in {text!r}")
            return text

    def _read(self, source: IO[str]) -> None:
        with source:
            for line in source:
                self._add(line)
        self._add(None)

    def _add(self, line: str | None) -> None:
        with self._changed:
            if line is None:
                self._ended = True
            else:
                self._text.append(line)
            self._changed.notify_all()
