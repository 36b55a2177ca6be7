"""A flag for every field of `WebSocketOptions`, of the same name, made from the dataclass itself.

A field added there is a flag here, with its unit, its meaning and its default in the help; a field
of a type that has no spelling yet fails the tests, not the user.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import Field, fields
from enum import Enum
from functools import partial
from typing import Any, get_args, get_type_hints

from turnout.cli.values import (
    ValueSyntaxError,
    format_value,
    parse_choice,
    parse_compression,
    parse_count,
    parse_seconds,
    parse_size,
)
from turnout.errors import ConfigurationError
from turnout.options import Deflate, WebSocketOptions

__all__ = ["add_option_flags", "options_from"]

Parser = Callable[[str], Any]


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags as a group of their own."""
    group = parser.add_argument_group(
        "options of the WebSockets",
        "They override those of the registry; what a handler sets for itself stands.\n"
        "SIZE takes bytes, or units as in 64KiB; SECONDS may be fractions; none is unlimited.",
    )
    defaults, kinds = WebSocketOptions(), get_type_hints(WebSocketOptions)
    for field in _options():
        read, metavar = _spelling(kinds[field.name], field.metadata["unit"])
        default = getattr(defaults, field.name)
        shown = "off" if metavar == COMPRESSION else format_value(default, field.metadata["unit"])
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=_reader(field.name, read),
            metavar=metavar,
            default=argparse.SUPPRESS,
            help=f"{field.metadata['meaning']} (default: {shown})",
        )


def options_from(arguments: argparse.Namespace) -> WebSocketOptions:
    """Return what was given on the command line, and only that, as explicit options."""
    given = vars(arguments)
    return WebSocketOptions(
        **{field.name: given[field.name] for field in _options() if field.name in given}
    )


COMPRESSION = "off|deflate[:SETTING=N,...]"


def _spelling(kind: Any, unit: str) -> tuple[Parser, str]:
    """Return how a value of this type is read, and how the help names it."""
    kinds = set(get_args(kind) or (kind,)) - {type(None)}
    if kinds == {Deflate}:
        return parse_compression, COMPRESSION
    if kinds == {int}:
        return (parse_size, "SIZE") if unit == "bytes" else (parse_count, "N")
    if kinds == {float}:
        return parse_seconds, "SECONDS"
    (only,) = kinds
    if issubclass(only, Enum):
        return partial(parse_choice, only), "|".join(member.value for member in only)
    raise TypeError(f"options of type {kind} have no spelling on the command line")


def _reader(name: str, read: Parser) -> Parser:
    """Return `read` with the option's own check, both with messages that argparse shows."""

    def read_and_check(text: str) -> Any:
        try:
            value = read(text)
            WebSocketOptions(**{name: value})
        except (ValueSyntaxError, ConfigurationError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return value

    return read_and_check


def _options() -> list[Field[Any]]:
    return [field for field in fields(WebSocketOptions) if field.init]
