"""`--engine NAME --strategy VARIANT`: the engine that a command was asked to use."""

from __future__ import annotations

import argparse
import traceback
from typing import TYPE_CHECKING

from turnout import plugins
from turnout.cli.errors import FAILED, CommandError
from turnout.errors import EngineError

if TYPE_CHECKING:
    from turnout.strategy import RequestUpgradeStrategy

__all__ = [
    "DEFAULT_ENGINE",
    "add_engine_flags",
    "add_strategy_flag",
    "load_failure",
    "load_strategy",
]

DEFAULT_ENGINE = "wsproto"


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default=DEFAULT_ENGINE,
        help="the server to run on, as `turnout engines` lists them (default: %(default)s)",
    )
    add_strategy_flag(parser)


def add_strategy_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--strategy` alone, for a command that names its engine otherwise."""
    parser.add_argument(
        "--strategy",
        metavar="native|standard",
        help="the engine's own WebSocket implementation, or turnout's over its connection, where"
        " the engine has both",
    )


def load_strategy(engine: str, variant: str | None) -> type[RequestUpgradeStrategy]:
    """Return the strategy class that was asked for; raise `CommandError` when it cannot be had."""
    try:
        return plugins.load(engine, variant)
    except EngineError as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        raise CommandError(load_failure(engine, error), FAILED) from error


def load_failure(engine: str, error: Exception) -> str:
    """Say in one line how the plug-in of an engine failed to load, and where."""
    last = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    frame = [one for one in frames if not one.filename.startswith("<frozen")][-1]
    return f"the engine {engine!r} failed to load: {last} ({frame.filename}:{frame.lineno})"
