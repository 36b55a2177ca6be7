"""The command line: `turnout serve`, `engines`, `conformance` and `demo`."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

from turnout.cli.errors import FAILED, CommandError
from turnout.cli.parser import Parser, Subcommands

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default, and return the exit code.

    0: done; 1: the command failed; 2: it could not be run as it was asked to. Errors are one line
    on standard error.
    """
    arguments = Namespace()
    try:
        arguments = _commands().parse(sys.argv[1:] if words is None else words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except CommandError as error:
        if error.__cause__ is not None and vars(arguments).get("log_level") == "debug":
            traceback.print_exception(error.__cause__)
        print(f"turnout: error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("turnout: interrupted", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # `turnout engines | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _commands() -> Subcommands:
    from turnout.cli import conformance, demo, engines, serve

    parser = Parser(
        prog="turnout",
        description="Write one WebSocket handler; run it on any Python server.",
        epilog="`turnout COMMAND --help` describes a command, with examples.",
    )
    parser.add_argument(
        "--version", action=_VersionAction, nargs=0, help="show the version and exit"
    )
    commands = Subcommands(parser)
    for module in (serve, engines, conformance, demo):
        module.add_to(commands)
    return commands


class _VersionAction(Action):
    """Prints the version, which takes longer to find out than to read the command line."""

    def __call__(self, parser: ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"turnout {version('turnout')}")
        parser.exit()
