"""`turnout conformance NAME`: prove that an engine keeps the contract."""

from __future__ import annotations

import argparse
from pathlib import Path

from turnout.cli.engine_choice import load_strategy
from turnout.cli.errors import FAILED, CommandError
from turnout.cli.flags import add_strategy_flag
from turnout.cli.parser import Subcommands
from turnout.errors import ConfigurationError

__all__ = ["add_to"]

DESCRIPTION = """\
Run the conformance suite against an engine: over real sockets, with a server in a process of its
own, through everything that a handler may rely on. What the engine declares that it cannot do is
checked as a declaration. Exit code 0: it conforms; 1: it does not.

What follows -- goes to pytest, which the suite needs: pip install "turnout[conformance]"
"""

EXAMPLES = """\
turnout conformance wsproto
turnout conformance tornado --strategy native
turnout conformance my-engine --json report.json
turnout conformance wsproto -- -k close -x"""


def add_to(commands: Subcommands) -> None:
    """Add the command."""
    parser = commands.add(
        "conformance",
        summary="prove that an engine keeps the contract",
        usage="NAME [--strategy native|standard] [--json FILE] [-- ARGUMENT ...]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("engine", metavar="NAME", help="the engine, as in `turnout engines`")
    add_strategy_flag(parser)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results to a file")
    parser.set_defaults(run=run, further=())


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_strategy(arguments.engine, arguments.strategy)
    _check_writable(arguments.json)
    from turnout.testing import run_conformance

    try:
        code = run_conformance(
            arguments.engine, arguments.strategy, arguments.json, arguments.further
        )
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    return 0 if code == 0 else FAILED


def _check_writable(report: Path | None) -> None:
    """Find out now, not after the minutes that the suite takes."""
    if report is None:
        return
    try:
        report.touch()
    except OSError as error:
        raise CommandError(f"cannot write {report}: {error.strerror}") from error
