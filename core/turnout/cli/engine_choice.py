"""The engine that a command was asked to use, or one line that says why it cannot be had."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from turnout import plugins
from turnout.cli.errors import FAILED, CommandError
from turnout.errors import EngineError

if TYPE_CHECKING:
    from turnout.strategy import RequestUpgradeStrategy

__all__ = ["load_failure", "load_strategy"]


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
