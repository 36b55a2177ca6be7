"""`turnout demo`: a live chat with rooms, in the browser, on any engine."""

from __future__ import annotations

import argparse

from turnout.cli.errors import FAILED
from turnout.cli.flags import add_address_flags
from turnout.cli.parser import Subcommands
from turnout.http.request import Address
from turnout.serving import ServerSettings

__all__ = ["add_to"]

DESCRIPTION = """\
Start a live chat with rooms and print the address of its page; open it in two tabs. The handler is
one file, turnout/demo/chat.py, and the same on every engine.

With --check nobody needs to look: the chat is started as a process of its own on a free port, two
client processes meet in a room and talk, everything that happens is printed line by line, and the
exit code says whether it went well.
"""

EXAMPLES = """\
turnout demo
turnout demo --engine tornado --port 9000
turnout demo --check --engine gevent"""

EVERYWHERE = {"0.0.0.0": "localhost", "::": "localhost"}  # noqa: S104  # read, not bound


def add_to(commands: Subcommands) -> None:
    """Add the command."""
    parser = commands.add(
        "demo",
        summary="start a live chat, with its page",
        usage="[--engine NAME] [--host H] [--port P] [--check] [OPTION ...]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("--check", action="store_true", help="let two clients talk, then end")
    add_address_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.check:
        return _check(arguments)
    from turnout.cli.listening import announce_address, listen, log_messages

    log_messages(arguments.log_level)
    from turnout.demo.chat import registry

    def ready(settings: ServerSettings, address: Address) -> None:
        announce_address(arguments.engine, settings, address)
        print(f"turnout: open {_page(settings.host, address)} in two tabs", flush=True)

    return listen(registry, arguments, ready)


def _check(arguments: argparse.Namespace) -> int:
    from turnout.cli.engine_choice import load_strategy
    from turnout.demo.check import run_check

    load_strategy(arguments.engine, arguments.strategy)
    return 0 if run_check(arguments.engine, arguments.strategy) else FAILED


def _page(host: str, address: Address) -> str:
    name = EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{address[1]}/"
