"""What a report keeps of a test that has failed: enough to see why without reading the suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnout.testing.conversation import Line, Recording, recording
from turnout.testing.explain import Comparison, explain
from turnout.testing.logged import LoggedError, last_error
from turnout.testing.server import Server, StartError

__all__ = ["Failure", "Recorder"]

LOG_SIZE = 4000
"""How many characters of a server's log are kept, from its end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What was expected, what came instead, and everything that was said before."""

    expected: str
    got: str
    where: str = ""
    conversation: list[Line] = field(default_factory=list)
    log: str = ""
    logged: LoggedError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the report holds of it."""
        one = self.logged
        return {
            "expected": self.expected,
            "got": self.got,
            "where": self.where,
            "conversation": [{"who": who, "what": what} for who, what in self.conversation],
            "log": self.log,
            "logged": None
            if one is None
            else {
                "error": one.error,
                "file": one.file,
                "line": one.line,
                "function": one.function,
            },
        }


class Recorder:
    """Records one test at a time: its conversations, its events, and the servers' logs."""

    def __init__(self) -> None:
        self._recording = Recording()
        self._shared: Server | None = None
        self._events_before = 0
        self._log_before = 0
        self.compared: Comparison | None = None

    def begin(self, shared: Server | None) -> None:
        """Begin with a test; `shared` is the server that all tests use, if it runs already."""
        self._recording = Recording()
        recording.set(self._recording)
        self.compared = None
        self._shared = shared
        self._events_before = 0 if shared is None else len(shared.events)
        self._log_before = 0 if shared is None else len(shared.log)

    def failure(self, error: BaseException, server: Server | None = None) -> Failure:
        """Return what there is to say about the test, which has ended in `error`.

        With `server` it is about that server rather than about a test.
        """
        found = explain(error, self.compared)
        log = self._log() if server is None else server.log
        if isinstance(error, StartError):
            log = error.stderr
        return Failure(
            expected=found.expected,
            got=found.got,
            where=f"{Path(found.file).name}:{found.line}" if found.file else "",
            conversation=self._recording.lines(self._events()),
            log=log[-LOG_SIZE:],
            logged=last_error(log),
        )

    def _own_servers(self) -> list[Server]:
        return [one for one in self._recording.servers if one is not self._shared]

    def _events(self) -> list[tuple[float, dict[str, Any]]]:
        shared = [] if self._shared is None else self._shared.events.since(self._events_before)
        return shared + [one for server in self._own_servers() for one in server.events.since(0)]

    def _log(self) -> str:
        shared = "" if self._shared is None else self._shared.log[self._log_before :]
        return shared + "".join(server.log for server in self._own_servers())
