"""Echoes per second: turnout on each engine beside the bare engine and the limit of asyncio.

    python -m tests.bench.echo --engines wsproto,tornado:standard --loads small,pipelined
    python -m tests.bench.echo --engines wsproto,gevent --bare --cases all --json FILE
    python -m tests.bench.echo --handlers async/callback,plain/stream --bare --json FILE --svg FILE

Every subject runs once unmeasured; then all of them take turns, round by round, each in a fresh
process on the first core. The load runs on the last.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.loader import Echo, Load, Window, open_connections
from tests.bench.report import Row, Table, chart, show, table_of
from tests.bench.servers import BARE, CORES, Subject, bare, raw, running, turnout
from tests.bench.usage import cpu_seconds

from turnout.testing.certificates import Certificate

LOADS = {
    "single": Load(connections=1),
    "single-pipelined": Load(connections=1, in_flight=8),
    "small": Load(),
    "pipelined": Load(in_flight=8),
    "medium": Load(connections=16, size=16 * 1024),
    "large": Load(connections=4, size=1024 * 1024),
}
KINDS = ("text", "binary")
HANDLERS = ("async/callback", "async/stream", "plain/callback", "plain/stream")


def subjects(options: argparse.Namespace, load: Load) -> list[Subject]:
    """Return what takes part under one load: raw, bare engines, turnout."""
    ours = [
        turnout(engine, f"/{handler}", deflate=load.deflate)
        for engine in options.engines.split(",")
        for handler in options.handlers
    ]
    names = set(options.peers.split(",")) if options.peers else set()
    if options.bare:
        names |= {own.name for one in options.engines.split(",") if (own := bare(one))}
    if "all" in names:
        names = set(BARE)
    taking_part = [raw(load.size), *(BARE[name] for name in sorted(names)), *ours]
    if load.tls:
        return [one for each in taking_part if (one := each.over_tls(options.pem)) is not None]
    return taking_part


def measure(subject: Subject, load: Load, options: argparse.Namespace, seconds: float) -> Window:
    """Return one stretch of one subject under one load, in a fresh process."""
    load = replace(load, prefix=subject.prefix, greeted=subject.greets)
    if subject.name == "raw":
        load = replace(load, deflate=False)
    with (
        running(subject, options.loop) as server,
        open_connections(server.port, subject.path, load) as opened,
    ):
        echo = Echo(opened, load)
        try:
            echo.begin()
            echo.run(seconds / 4, lambda: 0.0)
            return echo.run(seconds, lambda: cpu_seconds(server.pid))
        finally:
            echo.close()


def pem_file(folder: Path) -> Path:
    """Write a certificate and its key into one file, and return that."""
    made, pem = Certificate.make(folder), folder / "both.pem"
    pem.write_bytes(made.key.read_bytes() + made.chain.read_bytes())
    return pem


def label(subject: Subject, handlers: Sequence[str]) -> str:
    """Return what a row is called: the handler too, where it is not the usual one alone."""
    shown = subject.name.startswith("turnout on ") and list(handlers) != [HANDLERS[0]]
    return f"{subject.name} {subject.path.strip('/')}" if shown else subject.name


def rows_of(options: argparse.Namespace, load: Load) -> list[Row]:
    """Measure all subjects under one load."""
    taking_part = subjects(options, load)
    rows = [Row(label(subject, options.handlers)) for subject in taking_part]
    for row, subject in zip(rows, taking_part, strict=True):
        if subject.name.startswith("turnout on "):
            own = bare(subject.name.removeprefix("turnout on "))
            row.against = None if own is None else own.name
        measure(
            subject, load, options, options.seconds / 2
        )  # the first run of all warms the machine
    for _ in range(options.rounds):
        for row, subject in zip(rows, taking_part, strict=True):
            window = measure(subject, load, options, options.seconds)
            row.rates.append(window.rate)
            row.costs.append(window.cost)
    return rows


def tables(options: argparse.Namespace, charted: list[tuple[str, list[Row]]]) -> Iterator[Table]:
    """Measure each load; what a chart needs goes to `charted`."""
    for name, kind in product(options.loads, options.kinds):
        load = replace(LOADS[name], kind=kind, deflate=options.deflate, tls=options.tls)
        title = str(load) if options.loop == "asyncio" else f"{load}, on {options.loop}"
        charted.append((title, rows_of(options, load)))
        yield table_of(*charted[-1])


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return what reads names, by commas, or `all`; a wrong one ends it before hours of rounds."""

    def read(words: str) -> list[str]:
        names = list(known) if words == "all" else words.split(",")
        if wrong := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{wrong[0]} is none of {', '.join(known)}")
        return names

    return read


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto", help="NAME or NAME:VARIANT, by commas")
    parser.add_argument(
        "--handlers",
        type=names_of(HANDLERS),
        default=HANDLERS[0],
        help=f"all, or of {', '.join(HANDLERS)}, by commas",
    )
    parser.add_argument("--peers", default="", help=f"all, or of {', '.join(BARE)}")
    parser.add_argument("--bare", action="store_true", help="each engine without turnout too")
    parser.add_argument(
        "--loads",
        type=names_of(LOADS),
        default="small",
        help=f"all, or of {', '.join(LOADS)}, by commas",
    )
    parser.add_argument(
        "--kinds", type=names_of(KINDS), default="text", help="all, text (unless told) or binary"
    )
    parser.add_argument(
        "--cases", choices=["all"], help="every load as text and as binary, whatever else is told"
    )
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--deflate", action="store_true", help="turnout only, beside raw")
    parser.add_argument(
        "--tls",
        action="store_true",
        help="with TLS: turnout, raw and Tornado, no other",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path, help="a chart of the first load")
    options = parser.parse_args(words)
    if options.cases:
        options.loads, options.kinds = list(LOADS), list(KINDS)
    return options


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = parse(words)
    os.sched_setaffinity(0, {CORES[-1]})
    charted: list[tuple[str, list[Row]]] = []
    with TemporaryDirectory(prefix="turnout-bench-") as folder:
        options.pem = pem_file(Path(folder)) if options.tls else None
        show(tables(options, charted), options.json)
    if options.svg:
        options.svg.write_text(chart(*charted[0]), encoding="utf-8")


if __name__ == "__main__":
    main()
