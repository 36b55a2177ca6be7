"""`turnout demo --check`: the chat and two visitors, three processes, watched from a fourth."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from turnout.testing import RawClient

__all__ = ["CheckError", "run_check"]

DEADLINE = 60.0
"""Seconds for everything; each step has its own deadline besides."""
LISTENING = re.compile(r"listening on ws://(.+):(\d+) ")
ROOM = "platform 9"


class CheckError(Exception):
    """Something did not happen, or not as it should."""


class Watch:
    """Prints what the processes say, as it comes, and hands it to whoever waits for a line."""

    def __init__(self) -> None:
        self._lines: queue.Queue[tuple[Process, str | None]] = queue.Queue()
        self._deadline = time.monotonic() + DEADLINE

    def follow(self, process: Process, output: IO[str]) -> None:
        """Take every line of a process, then None for its end; runs in a thread of its own."""
        for line in output:
            self._lines.put((process, line.rstrip("\n")))
        self._lines.put((process, None))

    def next(self, waiting_for: str) -> tuple[Process, str | None]:
        """Return the next line, printed; raise `CheckError` when none comes in time."""
        try:
            process, line = self._lines.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            raise CheckError(f"waited {DEADLINE:g} seconds for {waiting_for}") from None
        if line is not None:
            report(process.name, line)
        return process, line


class Process:
    """One Python process, named for the report; it is gone when the `with` block is over."""

    def __init__(self, watch: Watch, name: str, *command: str) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603  # our own modules
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._thread = threading.Thread(target=watch.follow, args=(self, self._output))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        self._output.close()

    def stop(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def exit_code(self, timeout: float = 15.0) -> int:
        """Return the exit code; raise `CheckError` when the process does not end in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CheckError(f"{self.name} did not end within {timeout:g} seconds") from None


def run_check(engine: str, strategy: str | None = None) -> bool:
    """Let two visitors talk through the chat on an engine; print all; tell whether it went well."""
    watch = Watch()
    variant = [] if strategy is None else ["--strategy", strategy]
    try:
        with ExitStack() as processes:
            command = ["turnout.cli", "demo", "--engine", engine, *variant, "--port", "0"]
            server = processes.enter_context(Process(watch, "server", *command))
            host, port = _wait_until_it_listens(watch, server)
            _fetch_page(host, port)
            visitors = [
                processes.enter_context(
                    Process(watch, name, "turnout.demo.client", host, port, ROOM, name)
                )
                for name in ("Ada", "Grace")
            ]
            _wait_for_all(watch, visitors)
            _stop(server)
    except CheckError as error:
        report("check", f"failed: {error}")
        return False
    report("check", f"passed: two clients talked through {' '.join([engine, *variant[1:]])}")
    return True


def report(name: str, line: str) -> None:
    """Print one line of what happened."""
    print(f"{name:>6} | {line}", flush=True)


def _wait_until_it_listens(watch: Watch, server: Process) -> tuple[str, str]:
    while (line := watch.next("the server to listen")[1]) is not None:
        if found := LISTENING.search(line):
            return found[1].strip("[]"), found[2]
    raise CheckError(f"the server ended with exit code {server.exit_code()} before it listened")


def _fetch_page(host: str, port: str) -> None:
    try:
        with RawClient((host, int(port))) as client:
            page = client.fetch("/", headers={"Connection": "close"})
    except OSError as error:
        raise CheckError(f"the page did not come: {error}") from error
    kind = page.headers.get("content-type", "no type")
    if page.status != 200 or not kind.startswith("text/html"):
        raise CheckError(f"the page was answered {page.status}, {kind}")
    report("page", f"{page.status} {kind}, {len(page.body)} bytes")


def _wait_for_all(watch: Watch, visitors: list[Process]) -> None:
    left = list(visitors)
    while left:
        process, line = watch.next(" and ".join(one.name for one in left))
        if line is not None:
            continue
        if process not in left:
            raise CheckError(f"{process.name} ended with exit code {process.exit_code()}")
        left.remove(process)
        if (code := process.exit_code()) != 0:
            raise CheckError(f"{process.name} ended with exit code {code}")


def _stop(server: Process) -> None:
    server.stop()
    if (code := server.exit_code()) != 0:
        raise CheckError(f"the server ended with exit code {code} on SIGTERM")
    report("server", "stopped on SIGTERM: exit code 0")
