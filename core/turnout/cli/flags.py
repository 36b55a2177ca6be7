"""Flags that several commands share; reading them imports nothing that serves."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_address_flags", "add_listening_flags", "add_strategy_flag"]

DEFAULT_ENGINE = "wsproto"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def add_listening_flags(parser: argparse.ArgumentParser) -> None:
    """Add everything that says where and how to listen."""
    group = _add_address_flags(parser)
    group.add_argument("--unix", metavar="PATH", type=Path, help="a Unix socket in place of both")
    group.add_argument(
        "--tls-cert", metavar="FILE", type=Path, help="serve wss:// with this PEM certificate chain"
    )
    group.add_argument(
        "--tls-key", metavar="FILE", type=Path, help="its key, unless it is in the same file"
    )


def add_address_flags(parser: argparse.ArgumentParser) -> None:
    """Add the host and the port alone."""
    _add_address_flags(parser)
    parser.set_defaults(unix=None, tls_cert=None, tls_key=None)


def _add_address_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    _add_engine_flags(parser)
    _add_log_flag(parser)
    group = parser.add_argument_group("where to listen")
    group.add_argument(
        "--host", metavar="H", default="127.0.0.1", help="address or name (default: %(default)s)"
    )
    group.add_argument(
        "--port", metavar="P", type=_port, default=8080, help="0 takes a free one (default: 8080)"
    )
    return group


def _add_engine_flags(parser: argparse.ArgumentParser) -> None:
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


def _add_log_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        default="warning",
        metavar="LEVEL",
        help=f"what to log on standard error: {', '.join(LOG_LEVELS)} (default: %(default)s)",
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)
