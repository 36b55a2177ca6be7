"""`turnout conformance NAME`: prove that an engine keeps the contract."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from turnout.cli.engine_choice import load_strategy
from turnout.cli.errors import FAILED, CommandError, nearest
from turnout.cli.flags import add_strategy_flag
from turnout.cli.parser import Subcommands
from turnout.cli.terminal import Styles
from turnout.errors import ConfigurationError

if TYPE_CHECKING:
    from turnout.cli.conformance_text import Progress

__all__ = ["add_to"]

DESCRIPTION = """\
Run the conformance suite against an engine: over real sockets, with a server in a process of its
own, through everything that a handler may rely on. For each rule that is broken it prints what was
expected, what the server did instead, everything that was said before, and what to change in the
strategy. What the engine declares that it cannot do is checked as a declaration.

A server that hangs or ends is replaced, and when nothing more can pass the run ends early.
Exit code 0: it conforms; 1: it does not; 2: the suite could not be run.

What follows -- goes to pytest, which the suite needs: pip install "turnout[conformance]"
"""

EXAMPLES = """\
turnout conformance wsproto
turnout conformance tornado --strategy native
turnout conformance my-engine --only CLOSE --only test_ping_is_answered
turnout conformance my-engine --json report.json --html report.html
turnout conformance my-engine --verbose -- -x"""


def add_to(commands: Subcommands) -> None:
    """Add the command."""
    parser = commands.add(
        "conformance",
        summary="prove that an engine keeps the contract",
        usage="NAME [--strategy native|standard] [--only ROW|TEST] [--json FILE] [--html FILE]"
        " [OPTION ...] [-- ARGUMENT ...]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("engine", metavar="NAME", help="the engine, as in `turnout engines`")
    add_strategy_flag(parser)
    parser.add_argument(
        "-k",
        "--only",
        metavar="ROW|TEST",
        action="append",
        default=[],
        help="run one row, or the tests whose name has this in it; may be given again",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON; - is stdout")
    parser.add_argument("--html", metavar="FILE", help="write the results as a page, likewise")
    parser.add_argument(
        "--subject", metavar="MODULE:ATTR", help="serve this registry in place of the suite's own"
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="run every test, also where no more can pass",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what pytest prints")
    parser.set_defaults(run=run, further=())


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_strategy(arguments.engine, arguments.strategy)
    _check_requirements()
    _check_selection(arguments.only)
    files = (arguments.json, arguments.html)
    if files == ("-", "-"):
        raise CommandError("standard output takes one of --json and --html")
    for file in files:
        _check_writable(file)
    stream = sys.stderr if "-" in files else sys.stdout
    report = _run_suite(arguments, stream)
    _write(report, arguments)
    from turnout.cli.conformance_text import print_report

    print_report(report, stream, Styles(stream))
    return FAILED if report["outcome"] in ("failed", "not run") else 0


def _check_requirements() -> None:
    from turnout.testing.conformance import check_requirements

    try:
        check_requirements()
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def _check_selection(names: list[str]) -> None:
    if not names:
        return
    from turnout.testing.inventory import test_functions
    from turnout.testing.selection import find_unknown, known_names

    tests = list(test_functions())
    unknown = find_unknown(names, tests)
    if unknown is not None:
        raise CommandError(
            f"no row and no test of the suite is called {unknown!r}"
            f"{nearest(unknown.upper(), known_names([])) or nearest(unknown, tests)}"
        )


def _run_suite(arguments: argparse.Namespace, stream: TextIO) -> dict[str, Any]:
    from turnout.cli.conformance_text import Progress
    from turnout.testing.suite_run import SuiteCommand, SuiteRun

    command = SuiteCommand(
        engine=arguments.engine,
        strategy=arguments.strategy,
        subject=arguments.subject,
        only=tuple(arguments.only),
        keep_going=arguments.keep_going,
        verbose=arguments.verbose,
        further=tuple(arguments.further),
    )
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        with SuiteRun(command, Path(folder)) as suite, Progress(stream) as progress:
            for told in suite.progress():
                progress.take(told)
            report = suite.report()
        if report is None:
            raise CommandError(_no_report(progress, suite.output))
    return report


def _no_report(progress: Progress, output: str) -> str:
    if progress.count == 0:
        return "no test was selected, and nothing is proved"
    return f"the suite could not be run:\n{output.strip()}"


def _write(report: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json is not None:
        _put(arguments.json, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if arguments.html is not None:
        from turnout.testing.html_report import render_page

        _put(arguments.html, render_page(report))


def _put(file: str, text: str) -> None:
    if file == "-":
        print(text, end="")
    else:
        Path(file).write_text(text, encoding="utf-8")


def _check_writable(file: str | None) -> None:
    """Find out now, not after the minutes that the suite takes."""
    if file is None or file == "-":
        return
    try:
        Path(file).touch()
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}") from error
