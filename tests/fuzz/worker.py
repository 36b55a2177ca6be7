"""Runs one target under atheris: `python -m tests.fuzz.worker TARGET [options of libFuzzer]`.

The process ends by libFuzzer's hand: with 0 after so many runs, otherwise with the traceback and
the input written beside the corpus.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

INSTRUMENTED = ["turnout", "turnout_adapters", "turnout_compat"]


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    _, name, *options = sys.argv
    atheris: Any = import_module("atheris")  # it has no types
    logging.getLogger("turnout").setLevel(logging.ERROR)  # refusals are no news here
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup([name, *options], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
