"""An ASGI server by its own command line, on a Unix socket, with an application of the test's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from turnout.testing.client import RawClient

TIMEOUT = 20.0
COMMANDS: dict[str, Sequence[str]] = {
    "uvicorn": ("uvicorn", "{app}", "--uds", "{socket}", "--log-level", "warning"),
    "hypercorn": ("hypercorn", "{app}", "--bind", "unix:{socket}", "--log-level", "warning"),
    "daphne": ("daphne", "-u", "{socket}", "{app}"),
    "granian": ("granian", "--interface", "asgi", "--uds", "{socket}", "{app}"),
}

BARE = '''
"""An application of ASGI's alone: what a host does by itself."""

import asyncio
import os


def report(*what):
    with open(os.environ["REPORT"], "a") as file:
        print(*what, file=file, flush=True)


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise RuntimeError("websockets only")
    path = scope["path"]
    report("connected", path, scope.get("server"))
    await receive()
    if path == "/deny":
        fields = [(b"x-why", b"no token"), (b"content-length", b"2")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": fields})
        await send({"type": "websocket.http.response.body", "body": b"no"})
        return
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    if path == "/late":
        await asyncio.sleep(0.5)
    await send({"type": "websocket.accept", "headers": [(b"x-mark", b"blue")]})
    if path.startswith("/close"):
        code = int(path.removeprefix("/close").strip("/") or 4001)
        await send({"type": "websocket.close", "code": code, "reason": "bye"})
    if path == "/held":
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0.2)
        closing = asyncio.ensure_future(
            send({"type": "websocket.close", "code": 4001, "reason": "bye"})
        )
        await asyncio.wait([closing], timeout=1)
        report("close was sent", closing.done())
        waiting.cancel()
        await closing
        return
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            report("disconnect", event.get("code"), event.get("reason") or "-")
            return
        text = event.get("text")
        if text is None:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
        else:
            await send({"type": "websocket.send", "text": text})
'''
"""What the shims are for is shown by this, without turnout."""


class Host:
    """A running server; `report` is the file that its application writes to."""

    def __init__(self, name: str, folder: Path, source: str, *flags: str) -> None:
        (folder / "hosted.py").write_text(source)
        self.address = str(folder / "socket")
        self._report = folder / "report"
        self._report.touch()
        values = {"app": "hosted:app", "socket": self.address}
        command = [part.format(**values) for part in COMMANDS[name]]
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, *flags],
                cwd=folder,
                env={**os.environ, "REPORT": str(self._report), "PYTHONPATH": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # granian has workers, which its own death leaves alone
            )
        try:
            self._until(self._listens, "it did not listen")
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT)

    def connect(self, target: str | None = None, **fields: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=TIMEOUT)
        if target is not None:
            client.open(target, **fields)
        return client

    def wait_for(self, wanted: str) -> str:
        """Return the report once `wanted` stands in it."""
        self._until(lambda: wanted in self.report, f"it did not report {wanted!r}")
        return self.report

    @property
    def report(self) -> str:
        """What the application has reported so far."""
        return self._report.read_text()

    @property
    def output(self) -> str:
        """What the server has printed so far."""
        return self._output.read_text()

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            RawClient(self.address, timeout=TIMEOUT).stream.close()
        except OSError:
            return False
        return True

    def _until(self, holds: Any, failure: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < deadline, f"{failure}: {self.output[-3000:]}"
            time.sleep(0.02)
