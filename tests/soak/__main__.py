"""Hold thousands of connections while their clients are killed at random: `python -m tests.soak`.

Ends with a table for each engine; with status 1 if anything was lost, repeated or kept.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.soak.report import as_markdown
from tests.soak.soak import Soak
from tests.soak.storm import FEWEST_PROCESSES, Plan
from tests.soak.subjects import SHAPES

from turnout import EngineNotInstalledError, plugins

__all__ = ["main"]

CONNECTIONS = {"threads": 200}
"""Where each connection has a thread of its own."""
MANY_CONNECTIONS = 2000
CLIENTS_OF_A_PROCESS = 125
"""So many go at once when a process of clients is killed, however many there are in all."""
OTHER_DESCRIPTORS = 200
SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Soak the engines one after the other."""
    options = parser().parse_args(arguments)
    results = []
    for name in options.engine:
        engine, _, strategy = name.partition(":")
        results.append(soak(engine, strategy or None, options).run())
        print(as_markdown([results[-1]]), flush=True)
        for failure in results[-1].failures[:SHOWN]:
            print(f"{name}: {failure}", file=sys.stderr)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2))
    return int(any(result.failures for result in results))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    made.add_argument(
        "--engine",
        nargs="+",
        default=list(installed_engines()),
        metavar="NAME[:STRATEGY]",
        help="which servers; all that are installed, with all their strategies",
    )
    made.add_argument("--minutes", type=float, default=10.0, help="how long the storm blows")
    made.add_argument("--connections", type=int, help="held at a time")
    made.add_argument("--rate", type=float, default=1000.0, help="messages a second, in all")
    made.add_argument("--messages", type=int, default=20, help="at most, in a connection's life")
    made.add_argument("--seed", type=int, default=0, help="of the storm's chance")
    made.add_argument("--folder", type=Path, help="keeps the journals and the servers' logs")
    made.add_argument("--json", type=Path, help="writes the figures there too")
    return made


def installed_engines() -> Iterator[str]:
    """Yield turnout's engines as far as their servers are installed."""
    for plugin in map(plugins.find, plugins.names()):
        if plugin.distribution != "turnout":
            continue
        try:
            variants = plugin.load().variants
        except EngineNotInstalledError:
            continue
        yield from [f"{plugin.name}:{variant}" for variant in variants] or [plugin.name]


def soak(engine: str, strategy: str | None, options: argparse.Namespace) -> Soak:
    """Return the soak of one engine, as far as it and the system can carry it."""
    chosen = plugins.load(engine, strategy)
    wanted = options.connections or CONNECTIONS.get(chosen.runtime, MANY_CONNECTIONS)
    connections = min(wanted, most_connections())
    plan = Plan(
        connections=connections,
        rate=options.rate,
        messages=options.messages,
        paths=SHAPES,
        deflate=chosen.capabilities.deflate,
        violation_codes=chosen.capabilities.violation_codes,
        seed=options.seed,
        processes=max(FEWEST_PROCESSES, connections // CLIENTS_OF_A_PROCESS),
    )
    folder = None
    if options.folder is not None:
        folder = options.folder / "-".join(filter(None, (engine, strategy)))
        folder.mkdir(parents=True)
    seconds = options.minutes * 60
    return Soak(engine=engine, strategy=strategy, seconds=seconds, plan=plan, folder=folder)


def most_connections() -> int:
    """Raise the limit of descriptors as far as it goes; return how many connections it carries."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - OTHER_DESCRIPTORS


if __name__ == "__main__":
    sys.exit(main())
