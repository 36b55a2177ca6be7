"""Sees to it that a run ends soon, whatever is wrong with the server.

After a failure it asks the server for the least that one can do: open a WebSocket and echo a word.
A server that cannot is replaced; when a fresh one cannot either, nothing else can pass and the run
ends. A row whose tests wait in vain again and again is left, and so is the run when many rows do.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass, field

from turnout.testing.client import HandshakeFailed
from turnout.testing.deadlines import DEADLINE
from turnout.testing.expectations import Unexpected, Unmet
from turnout.testing.server import Server, StartError, describe_exit

__all__ = ["Verdict", "Watch"]

TARGET, WORD = "/async/echo", "are you there?"
MOMENT = 1.0
WAITS_OF_A_ROW, WAITS, RESTARTS = 3, 20, 5
SILENT_START = """
    `serve()` must call `settings.announce(address)` as soon as it listens; until then it must
    neither wait for a connection nor do anything else that takes long.
"""
FAILED_START = """
    `serve()` must listen where `settings` says, call `settings.announce(address)` with the address
    that it is bound to, and go on until SIGINT or SIGTERM. The log says what it raised.
"""
REFUSED = """
    `upgrade()` is called once a handshake is accepted, and must write the 101. If the log has a
    traceback, mend that first; if it has none, see whether your server hands every request to
    `service.handle(request, response)` and writes what `response.send()` is given.
"""
SILENT = """
    The connection is accepted and then nothing happens. See that every request reaches
    `service.handle(request, response)`, that `upgrade()` writes the 101 at once, that
    `upgrade.run(connection)` is awaited, and that nothing blocks the event loop.
"""
ENDED = """
    The process of the server must outlive whatever a client does, an opening handshake first of
    all: find out, in the log or with a debugger, what has ended it.
"""
UNSOUND = """
    A WebSocket opens, but a text message does not come back: bytes that arrive must reach the
    connection's `data_received()` (or `session.message_received()`), and `write()` (or `send()`)
    must send.
"""


class EndedError(Unmet):
    """The server's process has ended."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the run is to end now: a sentence, the error behind it, and what to change."""

    reason: str
    error: Unmet
    advice: str


@dataclass(slots=True)
class Watch:
    """Counts what goes wrong and decides what is still worth running."""

    left_out: dict[str, str] = field(default_factory=dict)
    """The rows that are left, each with the reason."""
    _waits: Counter[str] = field(default_factory=Counter)
    _restarts: int = 0

    def after_failure(
        self, server: Server | None, row: str, error: BaseException
    ) -> Verdict | None:
        """Look after the server; return a verdict when the run is to end."""
        if server is None:
            return _not_started(error) or self._count(row, error)
        problem = find_problem(server)
        if problem is not None:
            return self._replace(server, problem)
        return self._count(row, error)

    def _count(self, row: str, error: BaseException) -> Verdict | None:
        if not _has_waited(error):
            return None
        self._waits[row] += 1
        if self._waits[row] >= WAITS_OF_A_ROW:
            self.left_out[row] = f"not run: {WAITS_OF_A_ROW} tests of this row waited in vain"
        if self._waits.total() < WAITS:
            return None
        seconds = f"{DEADLINE:g} seconds and more"
        waited = Unexpected("answers", f"none to {WAITS} tests, each of which waited {seconds}")
        return Verdict(f"{WAITS} tests waited in vain", waited, SILENT)

    def _replace(self, server: Server, problem: Unmet) -> Verdict | None:
        self._restarts += 1
        if self._restarts > RESTARTS:
            return Verdict(f"the server had to be replaced {RESTARTS} times", problem, ENDED)
        try:
            server.restart()
        except StartError as error:
            return _not_started(error)
        persistent = find_problem(server)
        if persistent is None:
            return None
        return Verdict("no WebSocket can be used", persistent, _advice(persistent))


def _has_waited(error: BaseException) -> bool:
    """Tell whether a test has failed by waiting; pytest-timeout ends one that waits elsewhere."""
    return isinstance(error, TimeoutError) or str(error).startswith("Timeout ")


def find_problem(server: Server) -> Unmet | None:
    """Return what a server cannot do of the least that is needed, or None for one that can."""
    try:
        with server.connect(timeout=DEADLINE / 2) as client:
            client.open(TARGET)
            client.send_text(WORD)
            echo = client.read_text()
    except TimeoutError as error:
        return error if isinstance(error, Unmet) else Unexpected("a connection", str(error))
    except ConnectionError as error:
        return _end_of_process(server) or _refused(error)
    except Unmet as error:
        return error
    return None if echo == WORD else Unexpected(f"the echo of {WORD!r}", repr(echo))


def _end_of_process(server: Server) -> Unmet | None:
    """Return how the process has ended, if it has: its connections end a little before it does."""
    try:
        returncode = server.process.wait(MOMENT)
    except subprocess.TimeoutExpired:
        return None
    return EndedError("a server that goes on running", describe_exit(returncode))


def _refused(error: ConnectionError) -> Unmet:
    return error if isinstance(error, Unmet) else Unexpected("a connection", str(error))


def _not_started(error: BaseException) -> Verdict | None:
    if not isinstance(error, StartError):
        return None
    advice = SILENT_START if error.returncode is None else FAILED_START
    return Verdict("the server does not start", error, advice)


def _advice(problem: Unmet) -> str:
    match problem:
        case EndedError():
            return ENDED
        case HandshakeFailed():
            return REFUSED
        case TimeoutError():
            return SILENT if "101" in problem.expected or "HTTP" in problem.expected else UNSOUND
        case ConnectionError():
            return REFUSED
        case _:
            return UNSOUND
