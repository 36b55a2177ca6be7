"""`python -m turnout.cli` is `turnout`."""

from __future__ import annotations

import sys

from turnout.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
