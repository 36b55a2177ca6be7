"""The servers that are measured, each in a process of its own on the first core."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.autobahn.catalogue import BARE_SERVERS, ENGINES

__all__ = ["BARE", "CORES", "Server", "Subject", "bare", "raw", "running", "turnout"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BARE_ENGINES = HERE.parent / "autobahn" / "bare"
CORES = sorted(os.sched_getaffinity(0))
DEADLINE = 30.0
PORT = "{port}"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure: what it is called, how it is started and where it echoes.

    `command` is what follows `python`. With `greets` it sends a message before it is asked, and
    each of ours begins with `prefix`. `pem_option` stands before the PEM file of one that serves
    with TLS; None for one that does not.
    """

    name: str
    command: tuple[str, ...]
    path: str = "/echo"
    greets: bool = False
    prefix: bytes = b""
    pem_option: tuple[str, ...] | None = None

    def over_tls(self, pem: Path) -> Subject | None:
        """Return it with TLS, or None where nobody has said how."""
        if self.pem_option is None:
            return None
        return replace(self, command=(*self.command, *self.pem_option, str(pem)))


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    pid: int


def raw(size: int) -> Subject:
    """Return the limit of asyncio."""
    return Subject("raw", (str(HERE / "raw.py"), PORT, str(size)), pem_option=())


def turnout(engine: str, path: str = "/async/callback", *, deflate: bool = False) -> Subject:
    """Return an engine through turnout; `NAME:VARIANT` names one of several strategies."""
    name, _, variant = engine.partition(":")
    registry = f"tests.bench.handlers:{'deflating' if deflate else 'registry'}"
    command = ("-m", "turnout.cli", "serve", registry, "--engine", name)
    strategy = ("--strategy", variant) if variant else ()
    words = (*command, *strategy, "--port", PORT)
    return Subject(f"turnout on {engine}", words, path, pem_option=("--tls-cert",))


def _starlette(implementation: str, name: str | None = None) -> Subject:
    options = ("--port", PORT, "--ws", implementation, "--log-level", "warning")
    command = ("-m", "uvicorn", "tests.bench.starlette_echo:app", *options)
    return Subject(f"uvicorn {name or implementation} + Starlette", command)


BARE: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        *(Subject(one.name, ("-m", *one.command)) for one in BARE_SERVERS.values()),
        Subject("tornado", ("-m", *BARE_SERVERS["tornado"].command), pem_option=()),
        *map(_starlette, ("websockets-sansio", "websockets", "wsproto")),
        _starlette("turnout_adapters.uvicorn:WebSocketProtocol", "turnout"),
        Subject("floor", (str(HERE / "floor_echo.py"), PORT)),
        Subject("picows", (str(HERE / "picows_echo.py"), PORT)),
        Subject(
            "engineio",
            (str(HERE / "engineio_echo.py"), PORT),
            "/echo/?EIO=4&transport=websocket",
            greets=True,
            prefix=b"4",
        ),
    )
}
"""Servers without turnout, as their users write them."""


def bare(engine: str) -> Subject | None:
    """Return the bare engine that an engine of turnout stands on; None where there is none."""
    name, _, variant = engine.partition(":")
    known = ENGINES.get(f"{name} {variant or 'standard'}") or ENGINES[name]
    return BARE[known.bare[0]] if known.bare else None


@contextmanager
def running(subject: Subject, loop: str = "asyncio") -> Iterator[Server]:
    """Start a server, pinned to the first core; it is killed afterwards.

    One that runs on asyncio runs on `loop`, asyncio's own or uvloop.
    """
    port = _free_port()
    command = [word.replace(PORT, str(port)) for word in subject.command]
    path = os.pathsep.join([str(ROOT), str(BARE_ENGINES), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(HERE / "launch.py"), loop, *command],
        cwd=BARE_ENGINES,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORES[0]}),  # noqa: PLW1509  # no thread is here
    )
    try:
        _wait_until_it_listens(process, port)
        yield Server(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # some have processes of their own
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended at once: {process.args!r}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)  # nothing tells of a listening socket
        else:
            return
    raise TimeoutError(f"nothing listens: {process.args!r}")
