"""How long a test waits for what must come, before it fails."""

from __future__ import annotations

import os

__all__ = ["DEADLINE"]

DEADLINE = float(os.environ.get("TURNOUT_TEST_DEADLINE", "10"))
"""Seconds; the environment variable `TURNOUT_TEST_DEADLINE` raises it on a slow machine."""
