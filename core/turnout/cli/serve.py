"""`turnout serve MODULE:ATTR`: serve a registry on any engine."""

from __future__ import annotations

import argparse
from functools import partial

from turnout.cli.flags import add_listening_flags
from turnout.cli.option_flags import add_option_flags, options_from
from turnout.cli.parser import Subcommands

__all__ = ["add_to"]

DESCRIPTION = """\
Serve a registry of WebSocket handlers on one of the engines, until Ctrl-C or SIGTERM: then nothing
new is accepted, every session is closed with 1001, and the command ends when all are over.

MODULE:ATTR is a Python module, found in the current directory or on the Python path, and its
attribute that holds the WebSocketHandlerRegistry. Once it listens, one line says where:

  turnout: listening on ws://127.0.0.1:8080 (engine wsproto)
"""

EXAMPLES = """\
turnout serve app:registry
turnout serve app:registry --engine tornado --strategy native --port 9000
turnout serve app:registry --host 0.0.0.0 --tls-cert server.pem --tls-key server.key
turnout serve app:registry --unix /run/app.sock
turnout serve app:registry --max-text-size 64KiB --idle-timeout 300 --compression deflate"""


def add_to(commands: Subcommands) -> None:
    """Add the command."""
    parser = commands.add(
        "serve",
        summary="serve a registry on any engine",
        usage="MODULE:ATTR [--engine NAME] [--host H] [--port P] [OPTION ...]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("target", metavar="MODULE:ATTR", help="where the registry is")
    add_listening_flags(parser)
    add_option_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from turnout.cli.listening import announce_address, listen, log_messages
    from turnout.cli.target import load_registry

    log_messages(arguments.log_level)
    registry = load_registry(arguments.target)
    registry.options = registry.options.overridden_by(options_from(arguments))
    return listen(registry, arguments, partial(announce_address, arguments.engine))
