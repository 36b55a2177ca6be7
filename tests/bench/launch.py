"""Run a server on an event loop: `launch.py asyncio|uvloop (-m MODULE | SCRIPT) WORDS ...`.

Some servers take uvloop wherever it is installed, others have no setting for it.
"""

from __future__ import annotations

import runpy
import sys


def launch(loop: str, words: list[str]) -> None:
    """Run what the words name as Python itself would, but for the event loop."""
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    else:
        sys.modules["uvloop"] = None  # type: ignore[assignment]  # importing it fails now
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    sys.path[0] = ""
    launch(sys.argv[1], sys.argv[2:])
