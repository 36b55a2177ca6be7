"""The committed figures: bytecodes of each input, for each Python that is tested."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["PYTHON", "read", "write"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FILE = Path(__file__).with_name("figures.json")


def read() -> dict[str, dict[str, int]]:
    """Return the figures of each Python."""
    found: dict[str, dict[str, int]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def write(counted: dict[str, int]) -> None:
    """Replace the figures of the Python that runs."""
    figures = dict(sorted((read() | {PYTHON: counted}).items()))
    FILE.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
