"""How long an echo takes at a fixed rate: turnout beside the bare engine.

    python -m tests.bench.latency --engines wsproto,tornado:standard --rate 2000
    python -m tests.bench.latency --engines gevent --flood

Messages are sent when they are due, whether or not earlier ones were answered, and their time runs
from when they were due: a server that stands still for a moment delays all that would have come in
that moment, and is charged for all of it. With `--flood` one more connection sends as much as it
can meanwhile. A row without figures is of a server that left replies owed for ten seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import select
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.loader import Connection, Load, length_of_reply, open_connections
from tests.bench.report import Figures, Table, show
from tests.bench.servers import CORES, Subject, bare, raw, running, turnout

__all__ = ["Latency", "main", "percentile"]

SHARES = (0.5, 0.99, 0.999)
COLUMNS = tuple(f"p{share * 100:g}, µs" for share in SHARES)
FLOOD = Load(connections=1, in_flight=256)
DEADLINE = 10.0
SPIN = 0.002
"""Under so many seconds it asks again and again: `epoll` wakes late by up to a millisecond."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of the values that is not below `share` of them."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Latency:
    """What the replies of one stretch took, in microseconds, ordered."""

    times: list[float]

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """Return them in order, in microseconds."""
        return cls(sorted(taken * 1e6 for taken in seconds))

    def at(self, share: float) -> float:
        """Return the percentile."""
        return percentile(self.times, share)


class Flood:
    """A connection that always has the same number of messages in flight."""

    def __init__(self, connection: Connection, message: bytes, length: int) -> None:
        self.number = connection.socket.fileno()
        self._connection = connection
        self._message = message
        self._length = length

    def go_on(self) -> None:
        """Send a message for each reply."""
        connection = self._connection
        owed = connection.owed + len(connection.socket.recv(1 << 16))
        count, connection.owed = divmod(owed, self._length)
        if not connection.send(self._message * count):
            raise BlockingIOError("the flood is larger than the socket's buffer")


class UnsustainableError(Exception):
    """The server does not keep up with the rate, or with the flood beside it."""


class Steady:
    """Sends one message after the other, round the connections, at a fixed rate."""

    def __init__(self, connections: list[Connection], load: Load, rate: float) -> None:
        self._connections = connections
        self._by_number = {each.socket.fileno(): each for each in connections}
        self._message = load.message
        self._step = 1 / rate
        self._length = length_of_reply(connections[0], self._message)
        self._taken: list[float] = []
        self._flood: Flood | None = None
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)

    def add_flood(self, connection: Connection, load: Load) -> None:
        """Keep one more connection full; what it waits for is not measured."""
        connection.send(load.message * load.in_flight)
        self._poll.register(connection.socket.fileno(), select.EPOLLIN)
        self._flood = Flood(connection, load.message, self._length)

    def run(self, seconds: float) -> Latency:
        """Send for so long, then wait for what is still owed."""
        self._taken = []
        due = time.perf_counter()
        end, turn = due + seconds, 0
        while due < end:
            now = time.perf_counter()
            while due <= now and due < end:
                self._send(self._connections[turn % len(self._connections)], due)
                due, turn = due + self._step, turn + 1
            self._read(due - time.perf_counter())
        while any(each.sent_at for each in self._connections):
            if time.perf_counter() > end + DEADLINE:
                raise UnsustainableError("replies are owed long after the last message")
            self._read(0.1)
        return Latency.of(self._taken)

    def close(self) -> None:
        """Forget the connections; they stay open."""
        self._poll.close()

    def _send(self, connection: Connection, due: float) -> None:
        if not connection.send(self._message):
            raise UnsustainableError("a socket is full")
        connection.sent_at.append(due)

    def _read(self, patience: float) -> None:
        for number, _events in self._poll.poll(patience if patience > SPIN else 0):
            if self._flood is not None and number == self._flood.number:
                self._flood.go_on()
                continue
            connection = self._by_number[number]
            data = connection.socket.recv(1 << 16)
            now = time.perf_counter()
            if not data:
                raise ConnectionError("the server ended a connection")
            count, connection.owed = divmod(connection.owed + len(data), self._length)
            for _ in range(count):
                self._taken.append(now - connection.sent_at.popleft())


def measure(subject: Subject, options: argparse.Namespace, *, flood: bool) -> Latency:
    """Return one stretch of one subject, in a fresh process."""
    load = Load(connections=options.connections, size=options.size)
    with ExitStack() as stack:
        server = stack.enter_context(running(subject))
        opened = stack.enter_context(open_connections(server.port, subject.path, load))
        steady = Steady(opened, load, options.rate)
        stack.callback(steady.close)
        if flood:
            flooding = stack.enter_context(open_connections(server.port, subject.path, FLOOD))
            steady.add_flood(flooding[0], FLOOD)
        steady.run(options.seconds / 4)
        return steady.run(options.seconds)


def subjects(options: argparse.Namespace) -> list[Subject]:
    """Return raw, the engines through turnout and without it."""
    ours = [turnout(engine) for engine in options.engines.split(",")]
    own = [found for engine in options.engines.split(",") if (found := bare(engine))]
    return [raw(options.size), *dict.fromkeys(own), *ours]


def rows_of(options: argparse.Namespace, *, flood: bool) -> list[Figures]:
    """Measure all subjects in turns; return the medians of their percentiles.

    There are none for one that has not kept up each time.
    """
    found: dict[str, list[Latency]] = {}
    for _ in range(options.rounds):
        for subject in subjects(options):
            runs = found.setdefault(subject.name, [])
            with contextlib.suppress(UnsustainableError):
                runs.append(measure(subject, options, flood=flood))
    return [Figures(name, medians(runs, options.rounds)) for name, runs in found.items()]


def medians(runs: Sequence[Latency], rounds: int) -> list[float | None]:
    """Return the median of each percentile; nothing unless all rounds were kept up with."""
    if len(runs) < rounds:
        return [None for _ in SHARES]
    return [statistics.median(run.at(share) for run in runs) for share in SHARES]


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """Measure without a flood, and with one if that is asked for."""
    what = f"{options.rate:,.0f} messages a second on {options.connections} connections"
    yield Table(what, COLUMNS, rows_of(options, flood=False))
    if options.flood:
        yield Table(f"{what}, beside a flood", COLUMNS, rows_of(options, flood=True))


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto", help="NAME or NAME:VARIANT, by commas")
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second, in all")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--size", type=int, default=125)
    parser.add_argument("--flood", action="store_true", help="and once more beside a flood")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    os.sched_setaffinity(0, {CORES[-1]})
    show(tables(options), options.json)


if __name__ == "__main__":
    main()
