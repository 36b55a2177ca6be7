"""The engine under test, found as everybody finds it, and the command line that serves it."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from turnout import plugins
from turnout.testing.agreed import WITHOUT_VARIABLE
from turnout.testing.server import SUBJECT, ServerCommand

if TYPE_CHECKING:
    from turnout.capabilities import Capabilities

__all__ = ["command_for", "describe_engine"]


def command_for(
    engine: str, strategy: str | None, capabilities: Capabilities, subject: str | None
) -> ServerCommand:
    """Return the command line that serves the test subject on an engine."""
    return ServerCommand(
        engine=engine,
        strategy=strategy,
        subject=subject or SUBJECT,
        environment={WITHOUT_VARIABLE: ",".join(sorted(declared_away(capabilities)))},
    )


def declared_away(capabilities: Capabilities) -> set[str]:
    """Return the options that the engine refuses at start: the subject must not set them."""
    options = set(capabilities.unsupported_options)
    if not capabilities.deflate:
        options.add("compression")
    return options


def describe_engine(engine: str, strategy: str | None) -> dict[str, Any]:
    """Return what a report says of an engine: its names, versions and declarations."""
    chosen = plugins.load(engine, strategy)
    declared = chosen.capabilities
    return {
        "engine": engine,
        "strategy": strategy,
        "runtime": chosen.runtime,
        "distribution": chosen.distribution,
        "version": None if chosen.distribution is None else version(chosen.distribution),
        "turnout": version("turnout"),
        "declared_away": sorted(declared_away(declared)),
        "capabilities": {name: getattr(declared, name) for name in _flags(declared)},
    }


def _flags(declared: Capabilities) -> list[str]:
    return [one.name for one in fields(declared) if one.name != "unsupported_options"]
