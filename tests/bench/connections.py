"""What a connection costs: to open it, to keep it idle, and to reach all of them at once.

    python -m tests.bench.connections --engines wsproto,aiohttp --idle 10000
    python -m tests.bench.connections --engines wsproto --only broadcast --stalled 1

Handshakes run on 8 connections at a time. Idle memory is the growth of the server's resident
memory, divided by the connections that are then open. A broadcast goes to every idle connection;
its time is from the first byte that any client reads to the last.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.loader import Connection, connect, handshake
from tests.bench.report import Figures, Table, show
from tests.bench.servers import CORES, Server, Subject, bare, running, turnout
from tests.bench.usage import cpu_seconds, memory

MESSAGE = "x" * 125
FRAME = 2 + len(MESSAGE)
HANDSHAKES = "handshakes"
"""The title of their table."""
KIB_EACH = "KiB each"
"""The column of the memory of an idle connection."""
ASK = f"GET /broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Message: {MESSAGE}\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Handshakes:
    """How fast connections open."""

    rate: float
    cost: float


def measure_handshakes(server: Server, path: str, seconds: float) -> Handshakes:
    """Open and cut connections, eight at a time."""
    request = handshake(path)
    poll = select.epoll()
    open_now: dict[int, socket.socket] = {}
    done, began, cpu = 0, time.perf_counter(), cpu_seconds(server.pid)

    def begin() -> None:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        sock.sendall(request)
        open_now[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)

    for _ in range(8):
        begin()
    while time.perf_counter() - began < seconds:
        for number, _events in poll.poll(1):
            sock = open_now.pop(number)
            head = sock.recv(4096)
            if not head.startswith(b"HTTP/1.1 101 "):
                raise ConnectionError(f"not upgraded: {head!r}")
            poll.unregister(number)
            sock.close()
            done += 1
            begin()
    took, used = time.perf_counter() - began, cpu_seconds(server.pid) - cpu
    for sock in open_now.values():
        sock.close()
    poll.close()
    return Handshakes(done / took, used / done * 1e6)


def open_idle(server: Server, path: str, count: int, *, deflate: bool = False) -> list[Connection]:
    """Open so many connections and leave them alone."""
    request = handshake(path, deflate=deflate)
    return [connect(server.port, request) for _ in range(count)]


def idle_memory(subject: Subject, count: int, *, deflate: bool = False) -> float:
    """Return the KiB that one idle connection takes of the server."""
    with running(subject) as server:
        warm = open_idle(server, subject.path, 50, deflate=deflate)
        before = memory(server.pid)
        idle = open_idle(server, subject.path, count, deflate=deflate)
        grown = memory(server.pid) - before
        for connection in (*warm, *idle):
            connection.socket.close()
    return grown / count / 1024


@dataclass(frozen=True, slots=True)
class Broadcast:
    """How one message reached everybody."""

    readers: int
    seconds: float
    peak: float

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.readers / self.seconds


def broadcast(subject: Subject, count: int, stalled: int, rounds: int) -> Broadcast:
    """Send one message to all; `stalled` of the connections never read."""
    with running(subject) as server:
        readers = open_idle(server, "/idle", count - stalled)
        sleepers = open_idle(server, "/idle", stalled)
        times = [_one_broadcast(server, readers) for _ in range(rounds)]
        peak = memory(server.pid, "VmHWM") / 1024**2
        for connection in (*readers, *sleepers):
            connection.socket.close()
    return Broadcast(len(readers), statistics.median(times), peak)


def _one_broadcast(server: Server, readers: Sequence[Connection]) -> float:
    waiting = {each.socket.fileno(): FRAME for each in readers}
    sockets = {each.socket.fileno(): each.socket for each in readers}
    poll = select.epoll()
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    asking = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    asking.sendall(ASK)
    first: float | None = None
    while waiting:
        ready = poll.poll(10)
        if not ready:
            raise TimeoutError(f"{len(waiting)} connections got nothing")
        first = first or time.perf_counter()
        for number, _events in ready:
            waiting[number] -= len(sockets[number].recv(65536))
            if not waiting[number]:
                del waiting[number]
                poll.unregister(number)
    assert first is not None
    took = time.perf_counter() - first
    asking.close()
    poll.close()
    return took


def handshakes(options: argparse.Namespace) -> Table:
    """Measure handshakes of each engine beside its bare engine, in turns."""
    engines = options.engines.split(",")
    own = {f"turnout on {engine}": found.name for engine in engines if (found := bare(engine))}
    runs: dict[str, list[Handshakes]] = {}
    for _ in range(options.rounds):
        for subject in subjects(engines):
            with running(subject) as server:
                measure_handshakes(server, subject.path, options.seconds / 4)
                measured = measure_handshakes(server, subject.path, options.seconds)
            runs.setdefault(subject.name, []).append(measured)
    rates = {name: statistics.median(run.rate for run in each) for name, each in runs.items()}
    costs = {name: statistics.median(run.cost for run in each) for name, each in runs.items()}
    rows = []
    for name in runs:
        faster, cheaper = None, None
        if name in own:
            faster, cheaper = rates[name] / rates[own[name]], costs[own[name]] / costs[name]
        rows.append(Figures(name, [rates[name], faster, costs[name], cheaper]))
    return Table(HANDSHAKES, ("a second", "÷ bare", "µs of processor", "bare ÷"), rows)


def subjects(engines: Sequence[str]) -> list[Subject]:
    """Return each engine through turnout, and without it."""
    own = [found for engine in engines if (found := bare(engine))]
    return [*map(turnout, engines), *dict.fromkeys(own)]


def idle(options: argparse.Namespace) -> Table:
    """Measure what an idle connection takes, with and without deflate, beside the bare engine."""
    engines = options.engines.split(",")
    count = min(options.idle, 2000)
    rows = [
        Figures(f"{subject.name} {subject.path}", [idle_memory(subject, count)])
        for subject in (*subjects(engines), *(turnout(each, "/async/stream") for each in engines))
    ]
    for engine in engines:
        deflating = turnout(engine, deflate=True)
        kib = idle_memory(deflating, count, deflate=True)
        rows.append(Figures(f"{deflating.name} {deflating.path}, deflate", [kib]))
    return Table(f"memory of {count:,} idle connections", (KIB_EACH,), rows)


def broadcasts(options: argparse.Namespace) -> Table:
    """Measure a broadcast to all idle connections, and one with some that do not read."""
    rows = []
    for engine in options.engines.split(","):
        for stalled in (0, options.idle * options.stalled // 100):
            found = broadcast(turnout(engine), options.idle, stalled, options.rounds)
            values: list[float | None] = [
                found.readers,
                stalled,
                found.seconds,
                found.rate,
                found.peak,
            ]
            rows.append(Figures(f"turnout on {engine}", values))
    columns = ("readers", "stalled", "seconds", "messages/s", "peak MiB")
    return Table("one message to everybody", columns, rows)


REPORTS: dict[str, Callable[[argparse.Namespace], Table]] = {
    HANDSHAKES: handshakes,
    "memory": idle,
    "broadcast": broadcasts,
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto", help="NAME or NAME:VARIANT, by commas")
    parser.add_argument("--only", choices=REPORTS, action="append")
    parser.add_argument("--idle", type=int, default=10_000, help="how many connections are open")
    parser.add_argument("--stalled", type=int, default=1, help="per cent that never read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.idle + 100 > most:
        parser.error(f"--idle {options.idle} needs more than the {most} descriptors allowed here")
    os.sched_setaffinity(0, {CORES[-1]})
    show((REPORTS[name](options) for name in options.only or REPORTS), options.json)


if __name__ == "__main__":
    main()
