"""Count again and write the figures down: `python -m tests.cost`, once with each Python.

With `functions`, only show which of them take most of an echo.
"""

from __future__ import annotations

import sys

from tests.cost.figures import PYTHON, read, write
from tests.cost.inputs import measure, most_expensive

FUNCTIONS = 10


def show_functions() -> None:
    """Print a table for each shape of handler."""
    for shape in ("callback", "stream"):
        print(f"| {shape}: function | bytecodes |\n|---|---:|")
        for name, count in most_expensive(shape, FUNCTIONS):
            print(f"| `{name}` | {count} |")
        print()


def count_again() -> None:
    """Count, compare, write."""
    before, now = read().get(PYTHON, {}), measure()
    for name, count in now.items():
        was = before.get(name)
        change = "" if was is None else f"{count / was - 1:+8.1%}"
        print(f"{name:<50}{count:>8,}{change:>9}")
    write(now)


if __name__ == "__main__":
    if sys.argv[1:] == ["functions"]:
        show_functions()
    else:
        count_again()
