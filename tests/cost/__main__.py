"""Count again and write the figures down: `python -m tests.cost`, once with each Python."""

from __future__ import annotations

from tests.cost.figures import PYTHON, read, write
from tests.cost.inputs import measure

if __name__ == "__main__":
    before, now = read().get(PYTHON, {}), measure()
    for name, count in now.items():
        was = before.get(name)
        change = "" if was is None else f"{count / was - 1:+8.1%}"
        print(f"{name:<50}{count:>8,}{change:>9}")
    write(now)
