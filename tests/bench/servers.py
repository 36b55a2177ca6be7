"""The servers that are measured, each in a process of its own on the first core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BARE", "CORES", "Server", "Subject", "bare", "raw", "running", "turnout"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BARE_ENGINES = HERE.parent / "autobahn" / "bare"
CORES = sorted(os.sched_getaffinity(0))
DEADLINE = 30.0
PORT = "{port}"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure: what it is called, how it is started and where it echoes."""

    name: str
    command: tuple[str, ...]
    path: str = "/echo"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    pid: int


def raw(size: int) -> Subject:
    """Return the limit of asyncio."""
    return Subject("raw", _python(HERE / "raw.py", PORT, str(size)))


def turnout(engine: str, path: str = "/async/callback", *, deflate: bool = False) -> Subject:
    """Return an engine through turnout; `NAME:VARIANT` names one of several strategies."""
    name, _, variant = engine.partition(":")
    registry = f"tests.bench.handlers:{'deflating' if deflate else 'registry'}"
    command = [sys.executable, "-m", "turnout.cli", "serve", registry, "--engine", name]
    strategy = ["--strategy", variant] if variant else []
    return Subject(f"turnout on {engine}", (*command, *strategy, "--port", PORT), path)


def _python(script: Path, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(script), *arguments)


def _uvicorn(implementation: str) -> tuple[str, ...]:
    options = ("--port", PORT, "--ws", implementation, "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", "tests.bench.starlette_echo:app", *options)


BARE: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject("aiohttp", _python(BARE_ENGINES / "aiohttp_echo.py", PORT)),
        Subject("Tornado", _python(BARE_ENGINES / "tornado_echo.py", PORT)),
        Subject("gevent-websocket", _python(BARE_ENGINES / "gevent_websocket_echo.py", PORT)),
        Subject("websockets", _python(BARE_ENGINES / "websockets_echo.py", PORT)),
        Subject("picows", _python(HERE / "picows_echo.py", PORT)),
        *(
            Subject(f"uvicorn {each} + Starlette", _uvicorn(each))
            for each in ("websockets-sansio", "websockets", "wsproto")
        ),
        Subject(
            "uvicorn turnout + Starlette", _uvicorn("turnout_adapters.uvicorn:WebSocketProtocol")
        ),
    )
}
"""Servers without turnout, as their users write them."""

_OWN_ENGINE = {
    "aiohttp": "aiohttp",
    "tornado": "Tornado",
    "gevent": "gevent-websocket",
    "gevent-websocket": "gevent-websocket",
    "uvicorn": "uvicorn websockets-sansio + Starlette",
}


def bare(engine: str) -> Subject | None:
    """Return the bare engine that an engine of turnout stands on; None where there is none."""
    name = _OWN_ENGINE.get(engine.partition(":")[0])
    return None if name is None else BARE[name]


@contextmanager
def running(subject: Subject) -> Iterator[Server]:
    """Start a server, pinned to the first core; it is killed afterwards."""
    port = _free_port()
    command = [word.replace(PORT, str(port)) for word in subject.command]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=lambda: os.sched_setaffinity(0, {CORES[0]}),  # noqa: PLW1509  # no thread is here
    )
    try:
        _wait_until_it_listens(process, port)
        yield Server(port, process.pid)
    finally:
        process.kill()
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
