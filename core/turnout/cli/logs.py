"""Logging of the command line: to standard error; standard output is for the command's answers."""

from __future__ import annotations

import argparse
import logging
import sys

__all__ = ["add_log_flag", "set_up_logging"]

LEVELS = ("debug", "info", "warning", "error", "critical")


def add_log_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level`."""
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="warning",
        metavar="LEVEL",
        help=f"what to log on standard error: {', '.join(LEVELS)} (default: %(default)s)",
    )


def set_up_logging(level: str) -> None:
    """Log everything of `level` and above, unless the user's module has set up its own."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
