"""Servers in processes of their own, and kosoku, which puts the cases to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from tests.autobahn.catalogue import BareServer, Engine, expected
from tests.autobahn.verdicts import Results, Verdicts, read_index

from turnout import plugins
from turnout.testing.engines import describe_engine
from turnout.testing.server import Server, ServerCommand

__all__ = ["Cases", "run_bare", "run_engine"]

HERE = Path(__file__).parent
IsExpected: TypeAlias = Callable[[str, str], bool]
START_DEADLINE = 30.0
HARMLESS = ("OK", "informational", "unimplemented")
LARGEST = "64MiB"
FLAGS = {
    "max_text_size": LARGEST,
    "max_binary_size": LARGEST,
    "ping_interval": "none",
    "compression": "deflate:threshold=0",  # kosoku takes uncompressed text there for an error
}


class Cases:
    """Which cases are run, and for how long they may take."""

    def __init__(self, whole: bool) -> None:
        self.count: int = 517 if whole else 301
        self._deadline = 3600.0 if whole else 900.0
        self._selection = [] if whole else ["-x", "12.*", "-x", "13.*"]

    def run(self, port: int, folder: Path, is_expected: IsExpected) -> Verdicts:
        """Put the cases to the server at a port and return what they find.

        Many give the server half a second, which a busy machine may take for itself: what is not
        expected is put once more, and alone, and then counts.
        """
        found = self._run(port, folder, "-p", "2", *self._selection)
        surprises = [case for case, verdict in found.items() if not is_expected(case, verdict)]
        if surprises:
            chosen = [word for case in surprises for word in ("-i", case)]
            found |= self._run(port, folder / "once-more", *chosen)
        return found

    def _run(self, port: int, folder: Path, *words: str) -> Verdicts:
        program = Path(sysconfig.get_path("scripts")) / "kosoku"
        ran = subprocess.run(
            [program, "-o", folder, *words, f"ws://127.0.0.1:{port}/echo"],
            capture_output=True,
            text=True,
            timeout=self._deadline,
            check=False,  # 1 stands for a case that failed, too
        )
        index = folder / "index.json"
        assert index.exists(), f"kosoku has failed: {ran.stdout}{ran.stderr}"
        return read_index(json.loads(index.read_text(encoding="utf-8")))


def run_engine(engine: Engine, cases: Cases, folder: Path) -> Results:
    """Return what the cases find about turnout on an engine; the server must end in order."""
    description = describe_engine(*engine.choice)

    def is_expected(case: str, verdict: str) -> bool:
        return verdict == expected(engine.name, case)

    with Server(_command(engine)) as server:
        found = cases.run(int(server.address[1]), folder, is_expected)
        server.stop().check()
    served_by = description["version"] or description["turnout"]
    return Results(engine.name, bare=False, version=served_by, cases=found)


def _command(engine: Engine) -> ServerCommand:
    name, strategy = engine.choice
    can_honour = plugins.load(name, strategy).capabilities.can_honour
    flags = [
        word
        for option, value in FLAGS.items()
        if can_honour(option)
        for word in (f"--{option.replace('_', '-')}", value)
    ]
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    return ServerCommand(
        engine=name,
        strategy=strategy,
        subject="echo:registry",
        options=tuple(flags),
        environment={"PYTHONPATH": path},
    )


def run_bare(bare: BareServer, cases: Cases, folder: Path) -> Results:
    """Return what the cases find about a server without turnout."""
    folder.mkdir(parents=True, exist_ok=True)
    with _serve_bare(bare, folder / "server.log") as port:
        found = cases.run(port, folder, lambda _, verdict: verdict in HARMLESS)
    return Results(bare.name, bare=True, version=version(bare.package), cases=found)


@contextmanager
def _serve_bare(bare: BareServer, log: Path) -> Iterator[int]:
    port = _free_port()
    words = [word.format(port=port) for word in bare.command]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=HERE / "bare",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_it_listens(process, port, log)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # some wait for clients that never leave
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while True:  # none of them tells in a way that all share
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, f"it does not listen: {log.read_text()[-2000:]}"
            time.sleep(0.05)
        else:
            return
