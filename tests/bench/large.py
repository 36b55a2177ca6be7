"""Large messages: the time of an echo, and how much memory the server takes for it at most.

    python -m tests.bench.large --engines wsproto,aiohttp --sizes 1,16,64

Each message goes to a fresh process. Memory is the growth of the highest resident memory over what
it was with the connection open, as a multiple of the message's size. `/partial/stream` hands each
piece on as it comes, so it holds no message. Where a server refuses so large a message, there are
no figures.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.loader import Load, connect, handshake
from tests.bench.report import Figures, Table, show
from tests.bench.servers import CORES, Subject, bare, running, turnout
from tests.bench.usage import memory

__all__ = ["COLUMNS", "Echoed", "main", "size_of"]

MIB = 1024 * 1024
DEADLINE = 120.0
FRAGMENT = 64 * 1024
PARTIAL = "/partial/stream"
COLUMNS = ("milliseconds", "peak ÷ size")


@dataclass(frozen=True, slots=True)
class Echoed:
    """One large message there and back."""

    seconds: float
    peak: float


def title(mib: int) -> str:
    """Return what the table of a size is called."""
    return f"one message of {mib} MiB there and back"


def size_of(title: str) -> str:
    """Return the size that a table is about, in words."""
    return " ".join(title.split()[3:5])


def echo_or_none(subject: Subject, size: int) -> Echoed | None:
    """Return what an echo took; None where the server refuses so large a message."""
    try:
        return echo(subject, size)
    except ConnectionError:
        return None


def pieces(payload_size: int, *, fragmented: bool) -> bytes:
    """Return the message's bytes: one frame, or many of a moderate size."""
    if not fragmented:
        return Load(size=payload_size, kind="binary").message
    count = payload_size // FRAGMENT
    first = Load(size=FRAGMENT, kind="binary").message
    rest = bytes([first[0] & 0x70]) + first[1:]
    opening = bytes([first[0] & 0x7F]) + first[1:]
    return opening + rest * (count - 2) + bytes([rest[0] | 0x80]) + rest[1:]


def echo(subject: Subject, size: int) -> Echoed:
    """Send one message to a fresh server and read until all of its payload is back."""
    with running(subject) as server:
        connection = connect(server.port, handshake(subject.path))
        try:
            message = pieces(size, fragmented=subject.path == PARTIAL)
            before = memory(server.pid)
            began = time.perf_counter()
            _exchange(connection.socket, memoryview(message), size)
            took = time.perf_counter() - began
            return Echoed(took, (memory(server.pid, "VmHWM") - before) / size)
        finally:
            connection.socket.close()


def _exchange(sock: socket.socket, unsent: memoryview, size: int) -> None:

    poll = select.epoll()
    poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
    received, buffer = 0, bytearray(1 << 20)
    while received < size:
        ready = poll.poll(DEADLINE)
        if not ready:
            raise TimeoutError(f"{received} of {size} bytes came back")
        if ready[0][1] & select.EPOLLIN:
            count = sock.recv_into(buffer)
            if not count:
                raise ConnectionError("the server ended the connection")
            received += count
        if ready[0][1] & select.EPOLLOUT:
            unsent = unsent[sock.send(unsent[: 1 << 20]) :]
            if not unsent:
                poll.modify(sock.fileno(), select.EPOLLIN)
    poll.close()


def subjects(engines: str) -> list[Subject]:
    """Return each bare engine, and turnout on each: whole messages, then pieces."""
    found = []
    for engine in engines.split(","):
        own = bare(engine)
        found += [*([own] if own else []), turnout(engine), turnout(engine, PARTIAL)]
    return list(dict.fromkeys(found))


def medians(found: list[Echoed]) -> list[float | None]:
    """Return what a row shows; nothing where every message was refused."""
    if not found:
        return [None, None]
    milliseconds = [run.seconds * 1e3 for run in found]
    return [statistics.median(milliseconds), statistics.median(run.peak for run in found)]


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """Measure each size in turns."""
    for mib in map(int, options.sizes.split(",")):
        runs: dict[str, list[Echoed]] = {}
        for _ in range(options.rounds):
            for subject in subjects(options.engines):
                found = runs.setdefault(f"{subject.name} {subject.path}", [])
                if (echoed := echo_or_none(subject, mib * MIB)) is not None:
                    found.append(echoed)
        rows = [Figures(name, medians(found)) for name, found in runs.items()]
        yield Table(title(mib), COLUMNS, rows)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto", help="NAME or NAME:VARIANT, by commas")
    parser.add_argument("--sizes", default="1,16,64", help="MiB, by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    os.sched_setaffinity(0, {CORES[-1]})
    show(tables(options), options.json)


if __name__ == "__main__":
    main()
