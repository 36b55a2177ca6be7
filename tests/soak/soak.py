"""One soak: a server, a warm-up, a storm, and the figures before and after."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.soak.journal import read_journal
from tests.soak.record import read_record
from tests.soak.storm import Plan, Storm
from tests.soak.verdict import RETURNING, differences, violations

from turnout import plugins
from turnout.testing.engines import command_for
from turnout.testing.server import Server, ServerCommand

__all__ = ["Soak", "SoakResult"]

SUBJECT = "tests.soak.subject:registry"
ANSWERING = 20.0
"""Seconds for the server to answer a request for its figures."""
ENDING = 60.0
"""Seconds for the server to end after SIGTERM, when nobody is connected."""
LONGER = 4.0
NEARLY_ALL = 0.9
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class SoakResult:
    """What a soak has counted; it has passed when `failures` is empty."""

    engine: str
    seconds: float
    connections: int
    """Held at a time."""
    opened: int = 0
    acknowledged: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    never_opened: dict[str, int] = field(default_factory=dict)
    processes_killed: int = 0
    processes_stopped: int = 0
    most_sessions: int = 0
    unanswered: int = 0
    """Requests for the server's figures that it was too busy to answer."""
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """A storm of so many seconds against an engine; `subject` is what it serves."""

    engine: str
    strategy: str | None
    seconds: float
    plan: Plan
    subject: str = SUBJECT
    folder: Path | None = None
    """Keeps the journal, the records and the server's log; by default they are not kept."""
    warm_up: float = 30.0
    """Seconds of a first storm, which fills caches, pools and arenas before anything is counted.

    On a busy machine it blows on until all connections were held at once, up to `LONGER` as long.
    """
    resting: float = 15.0
    """Seconds without change that are rest: more than a pool keeps a thread for nothing."""
    settling: float = 60.0
    """Seconds, after the last client has gone, for the server to be as it was."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The engine and its variant."""
        return self.engine if self.strategy is None else f"{self.engine}-{self.strategy}"

    def run(self) -> SoakResult:
        """Serve, warm up, blow, settle, stop, and compare."""
        result = SoakResult(self.name, self.seconds, self.plan.connections)
        with tempfile.TemporaryDirectory(prefix="turnout-soak-") as temporary:
            folder = self.folder or Path(temporary)
            with Server(self._command(folder / "journal")) as server:
                try:
                    self._blow(server, folder, result)
                    server.stop(timeout=ENDING).check()
                except (OSError, http.client.HTTPException, AssertionError) as error:
                    result.failures.append(f"the server itself: {error!r}")
            (folder / "server.log").write_text(server.log)
            result.failures += tracebacks(server.log)
            if result.after:
                self._judge(folder, result)
        return result

    def _command(self, journal: Path) -> ServerCommand:
        chosen = plugins.load(self.engine, self.strategy)
        command = command_for(self.engine, self.strategy, chosen.capabilities, self.subject)
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        more = {**self.environment, "TURNOUT_SOAK_JOURNAL": str(journal), "PYTHONPATH": path}
        return replace(command, environment={**command.environment, **more})

    def _blow(self, server: Server, folder: Path, result: SoakResult) -> None:
        port = int(server.address[1])
        figures = Figures(port, self.resting, self.settling)
        storm = Storm(self.plan, port, folder)
        self._warm_up(storm, figures)
        result.before = figures.rested()

        def goes_on() -> bool:
            try:
                seen = figures.now()
            except (OSError, http.client.HTTPException):  # too busy: its end will tell more
                result.unanswered += 1
                return server.process.poll() is None
            result.most_sessions = max(result.most_sessions, seen["sessions"])
            return not seen["violations"]  # there is nothing left to be proved

        storm.blow(self.seconds, goes_on)
        result.after = figures.settled(result.before)
        result.processes_killed, result.processes_stopped = storm.killed, storm.stopped

    def _warm_up(self, storm: Storm, figures: Figures) -> None:
        enough = time.monotonic() + self.warm_up
        most = 0

        def goes_on() -> bool:
            nonlocal most
            with contextlib.suppress(OSError, http.client.HTTPException):  # too busy to answer
                most = max(most, figures.now()["sessions"])
            return time.monotonic() < enough or most < self.plan.connections * NEARLY_ALL

        storm.blow(LONGER * self.warm_up, goes_on)

    def _judge(self, folder: Path, result: SoakResult) -> None:
        journal, record = read_journal(folder / "journal"), read_record(folder)
        result.opened = len(journal)
        result.acknowledged = sum(record.acknowledged.values())
        result.ends = dict(record.ends.most_common())
        result.never_opened = dict(record.never_opened.most_common())
        result.failures += violations(journal, record)
        result.failures += differences(result.before, result.after)


def tracebacks(log: str) -> list[str]:
    """Return the last line of every traceback in a server's log."""
    _, *each = log.split("Traceback (most recent call last):\n")
    return [f"in the server's log: {_raised(one.splitlines())}" for one in each]


def _raised(lines: list[str]) -> str:
    """Return what was raised, and where, out of the lines behind a traceback's first."""
    raised = next((line for line in lines if not line.startswith(" ")), "")
    frames = [line.strip() for line in lines[: lines.index(raised)] if line.startswith("  File")]
    return " ".join([raised, *frames[-1:]])


class Figures:
    """The figures that the server gives of itself."""

    def __init__(self, port: int, resting: float, settling: float) -> None:
        self._port = port
        self._resting = resting
        self._settling = settling

    def now(self, *, collect: bool = False) -> dict[str, int]:
        """Return them as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWERING)
        try:
            # Else some servers keep the connection for a while, and find it among their figures.
            closing = {"Connection": "close"}
            connection.request("GET", f"/figures{'?collect' * collect}", headers=closing)
            figures: dict[str, int] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return figures

    def rested(self) -> dict[str, int]:
        """Return them once nothing falls any more; the last ones if it never ends."""
        least: dict[str, int] = {}
        since = 0.0

        def is_rest(figures: dict[str, int]) -> bool:
            nonlocal least, since
            counted = {name: figures[name] for name in RETURNING}
            if not least or any(counted[name] < least[name] for name in counted):
                least, since = counted, time.monotonic()
            return time.monotonic() - since >= self._resting

        return self._once(is_rest)

    def settled(self, wanted: dict[str, int]) -> dict[str, int]:
        """Return them once all is as `wanted`; the last ones if it never is."""
        return self._once(lambda figures: not differences(wanted, figures))

    def _once(self, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Return them once no session is left and `holds` of them."""
        deadline = time.monotonic() + self._settling
        last: dict[str, int] = {}
        while time.monotonic() < deadline:
            try:
                last = self.now(collect=True)
            except (OSError, http.client.HTTPException):
                continue  # it still has all that came before to do
            if last["sessions"] == 0 and holds(last):
                break
            threading.Event().wait(1.0)
        if not last:
            raise TimeoutError("the server has no time for its figures, though nobody is connected")
        return last
