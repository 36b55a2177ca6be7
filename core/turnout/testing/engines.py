"""The engine under test, found as everybody finds it, and the command line that serves it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from turnout.discovery import find_strategy_class
from turnout.testing.server import SUBJECT, ServerCommand
from turnout.testing.subject.recorder import EVENTS_VARIABLE

if TYPE_CHECKING:
    from turnout.capabilities import Capabilities
    from turnout.strategy import RequestUpgradeStrategy
