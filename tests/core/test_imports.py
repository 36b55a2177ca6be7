"""What `import turnout` does not load: it is to be cheap, and neutral."""

from __future__ import annotations

import json
import subprocess
import sys

LOADED = """
import json, sys
before = set(sys.modules)
import turnout
print(json.dumps(sorted(set(sys.modules) - before)))
"""
ENGINES = {"aiohttp", "asyncio", "gevent", "greenlet", "h11", "socket", "ssl", "tornado", "wsproto"}
SELDOM_USED = {"difflib", "hashlib", "importlib.metadata", "pathlib"}


def test_importing_turnout_loads_no_more_than_it_needs() -> None:
    """No engine, no concurrency model, no protocol library, and nothing that few programs use."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True, timeout=30
    )
    loaded = set(json.loads(run.stdout))
    assert "turnout.session.session" in loaded
    assert not loaded & (ENGINES | SELDOM_USED)
