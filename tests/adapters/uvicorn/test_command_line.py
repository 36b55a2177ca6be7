"""uvicorn's own command line, in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.uvicorn.running import STANDARD, TIMEOUT

from turnout.testing.client import RawClient

HERE = Path(__file__).parents[3]
LISTENS = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


class CommandLine:
    """A running `uvicorn`, its log read line by line."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "uvicorn", "tests.adapters.uvicorn.mounted:app"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--ws", STANDARD, *options],
            cwd=HERE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = ("127.0.0.1", int(self.wait_for(LISTENS)[1]))

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Return where the pattern is found in the log."""
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if found := pattern.search(line):
                return found
        raise AssertionError("".join(lines))


@pytest.fixture(params=[("--loop", "asyncio", "--http", "h11"), ()], ids=["plain", "speedups"])
def running(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """A running `uvicorn`, with its speed-ups and without."""
    one = CommandLine(*request.param)
    yield one
    one.process.kill()
    one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_turnout_and_an_application_of_starlette(running: CommandLine, number: int) -> None:
    with RawClient(running.address) as ours, RawClient(running.address) as theirs:
        ours.open("/live")
        theirs.open("/echo")
        for client in (ours, theirs):
            client.send_text("hello")
            assert client.read_text() == "hello"
        running.process.send_signal(number)
        assert ours.read_close() == (1001, "")
        assert theirs.read_close() == (1012, "")
        for client in (ours, theirs):
            client.send_close()
            client.expect_end()
    _, log = running.process.communicate(timeout=TIMEOUT)
    assert "Finished server process" in log
    assert "ERROR" not in log
    assert running.process.returncode in {0, -number}  # a version of uvicorn raises it again
