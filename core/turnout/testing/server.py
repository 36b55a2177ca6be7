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
from turnout.testing.conversation import recording
from turnout.testing.deadlines import DEADLINE
from turnout.testing.events import EventLog
from turnout.testing.expectations import Silence, Unexpected, Unmet

__all__ = [
    "SUBJECT",
    "Server",
    "ServerCommand",
    "StartError",
    "StartServer",
    "Stopped",
    "describe_exit",
]

SUBJECT = "turnout.testing.subject:registry"
START_DEADLINE = max(20.0, DEADLINE)
LISTENING = re.compile(r"listening on (?:(wss?)://(.+):(\d+)|unix:(\S+))")
COMPLAINTS = re.compile(
    r"was never awaited|was destroyed but it is pending|exception was never retrieved"
    r"|ResourceWarning|Exception ignored in|has no effect when using ssl"
)


class StartError(Unmet):
    """The server ended, or said nothing, before it listened."""

    def __init__(self, returncode: int | None, stdout: str, stderr: str) -> None:
        said = stderr.strip().splitlines()[-1:]
        what = " and the words ".join([describe_exit(returncode), *map(repr, said)])
        super().__init__("the server to start and to say where it listens", what)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __str__(self) -> str:
        return f"the server did not start ({self.returncode}): {self.stdout}{self.stderr}"


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
        if self.returncode != 0:
            raise Unexpected("the server to end with exit code 0", describe_exit(self.returncode))
        complaint = COMPLAINTS.search(self.stderr)
        if complaint is not None:
            line = next(one for one in self.stderr.splitlines() if complaint[0] in one)
            raise Unexpected("a server that leaves nothing undone", f"in its log: {line.strip()}")


class Server:
    """A running server; use it as a context manager, or call `stop`."""

    def __init__(self, command: ServerCommand, *, timeout: float = START_DEADLINE) -> None:
        self.command = command
        self._timeout = timeout
        recorded = recording.get()
        if recorded is not None:
            recorded.servers.append(self)
        self._start()

    def _start(self) -> None:
        self.events: EventLog = EventLog()
        self._output = _Lines()
        self._errors = _Lines()
        self.process: subprocess.Popen[str] = _start(self.command, self.events.write_end)
        self.events.started()
        self._output.read(self.process.stdout)
        self._errors.read(self.process.stderr)
        self.address: Address = self._wait_until_it_listens(self._timeout)

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
        """Return how the server ended, once it has; raise `TimeoutError`."""
        try:
            returncode = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Silence("the end of the server's process", timeout) from None
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

    def restart(self) -> None:
        """Replace the process by a fresh one, however it does; raise `StartError`."""
        self.kill()
        self._start()

    def _wait_until_it_listens(self, timeout: float) -> Address:
        try:
            found = LISTENING.search(self._output.wait_for(LISTENING, timeout))
        except TimeoutError:
            returncode = self._exit_code()
            self.kill()
            raise StartError(returncode, self._output.text, self.log) from None
        assert found is not None
        scheme, host, port, path = found.groups()
        self.secure: bool = scheme == "wss"
        return path or (host.strip("[]"), int(port))

    def _exit_code(self) -> int | None:
        """Return how the process has ended, or None for one that goes on and says nothing."""
        try:
            return self.process.wait(DEADLINE if self._output.ended else 0)
        except subprocess.TimeoutExpired:
            return None


StartServer: TypeAlias = Callable[..., Server]
"""The type of the plugin's `start_server` fixture."""


def describe_exit(returncode: int | None) -> str:
    """Return how a process has ended, in words; None is one that has not."""
    if returncode is None:
        return "a process that runs and does not say so"
    if returncode < 0:
        return f"its death by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"


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

    @property
    def ended(self) -> bool:
        """Whether the process has closed it."""
        with self._changed:
            return self._ended

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
                    raise Silence(f"a line like {pattern.pattern!r} in what it writes", timeout)
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
