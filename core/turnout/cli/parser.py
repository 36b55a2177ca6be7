"""An argument parser that reports misuse in one line and offers the nearest name."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from turnout.cli.errors import CommandError, nearest

__all__ = ["Parser", "Subcommands"]


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions and examples as they are written, and flags beside their meaning."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100) - 2
        super().__init__(prog, max_help_position=28, width=width)


class Parser(argparse.ArgumentParser):
    """Ends in a `CommandError` where argparse would print its usage and exit."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise the error with the way to the help."""
        raise CommandError(f"{message} (see `{self.prog} --help`)")

    def check_flags(self, words: Sequence[str]) -> None:
        """Raise for a flag that does not exist, with the nearest one that does.

        argparse would first complain about arguments that it then misses.
        """
        known = self._option_string_actions
        for word in words:
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in known:
                self.error(f"there is no option {flag}{nearest(flag, known)}")


class Subcommands:
    """The commands of a program, each with a parser and a function that runs it."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self._actions = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command")
        self._parsers: dict[str, Parser] = {}

    def add(
        self, name: str, *, summary: str, usage: str, description: str, examples: str
    ) -> Parser:
        """Add a command; `examples` end its help as they stand."""
        parser = self._actions.add_parser(
            name,
            help=summary,
            usage=f"turnout {name} {usage}".rstrip(),
            description=description,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
        )
        self._parsers[name] = parser
        return parser

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a command line; raise `CommandError` for one that cannot be.

        What follows `--` is in `further`, for a command that passes it on to another program.
        """
        if not words:
            self.parser.print_help(sys.stderr)
            raise CommandError("which command? (see `turnout --help`)")
        if not words[0].startswith("-") and words[0] not in self._parsers:
            hint = nearest(words[0], self._parsers) or f"; there is {', '.join(self._parsers)}"
            self.parser.error(f"there is no command {words[0]!r}{hint}")
        parser = self._parsers.get(words[0], self.parser)
        end = words.index("--") if "--" in words else len(words)
        parser.check_flags(words[:end])
        arguments = self.parser.parse_args(words[:end])
        if words[end:] and "further" not in arguments:
            parser.error("nothing may follow --")
        arguments.further = words[end + 1 :]
        return arguments
