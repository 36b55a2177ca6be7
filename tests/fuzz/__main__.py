"""Fuzz the protocol and the handshake: `python -m tests.fuzz [--runs N] [TARGET ...]`.

Ends with a table; with status 1 if a target has failed, and its input beside the corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.campaign import Campaign, Result
from tests.fuzz.corpus import TARGETS

__all__ = ["main"]

HEADINGS = ("target", "inputs", "seconds", "edges", "corpus", "failed on")


def main(arguments: list[str] | None = None) -> int:
    """Run the targets one after the other."""
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="turnout-fuzz-") as temporary:
        folder = options.folder or Path(temporary)
        results = []
        for target in options.targets or TARGETS:
            campaign = Campaign(target, folder, options.runs, options.max_length, options.seconds)
            results.append(campaign.run())
    print(table(results))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2))
    for result in results:
        if result.failure is not None:
            print(f"\n{result.target} failed:\n{result.report}", file=sys.stderr)
    return int(any(result.failure is not None for result in results))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    made.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    made.add_argument("--runs", type=int, default=100_000, help="inputs for each target")
    made.add_argument("--seconds", type=int, default=0, help="the longest a target may take")
    made.add_argument("--max-length", type=int, default=600, help="bytes of the longest input")
    made.add_argument("--folder", type=Path, help="keeps what was found, to go on from there")
    made.add_argument("--json", type=Path, help="writes the results there too")
    return made


def table(results: list[Result]) -> str:
    """Return the results as a table in Markdown."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS)]
    for result in results:
        counts = (f"{result.inputs:,}", f"{result.seconds}", f"{result.edges}", f"{result.corpus}")
        rows.append((result.target, *counts, result.failure or "nothing"))
    total = sum(result.inputs for result in results)
    rows.append(("all", f"{total:,}", f"{sum(r.seconds for r in results)}", "", "", ""))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
