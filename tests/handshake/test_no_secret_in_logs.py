"""A token in a query never reaches a log: not turnout's, and not that of the server below it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from turnout.plugins import names

SECRET = "s3cret-token"

PROGRAM = """
import logging
from types import SimpleNamespace

from turnout import TokenInterceptor, WebSocketHandlerRegistry, serve

logging.basicConfig(level="DEBUG")
registry = WebSocketHandlerRegistry()


def verify(token):
    if token.endswith("failing"):
        raise LookupError("the users are away")
    return None if token.endswith("wrong") else SimpleNamespace(name="ada")


@registry.websocket("/me", interceptors=[TokenInterceptor(verify)])
async def me(session):
    await session.send(session.principal.name)
    raise RuntimeError("a handler that fails")


serve(registry, engine={engine!r}, port=0, announce=lambda address: print(address[1], flush=True))
"""


def answer(url: str) -> int | str | bytes:
    """Return what a client gets: the first message, or the status of the refusal."""
    try:
        with connect(url, open_timeout=10, proxy=None) as client:
            return client.recv(timeout=10)
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("engine", names())
def test_of_any_engine(engine: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(engine=engine)],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            url = f"ws://127.0.0.1:{port}/me?a=1&token={SECRET}"
            answers = [answer(url), answer(f"{url}-wrong"), answer(f"{url}-failing")]
            not_found = answer(url.replace("/me", "/other"))
        finally:
            server.terminate()
            server.wait(20)
    logged = log.read_text()
    assert answers == ["ada", 401, 500]
    assert not_found == 404
    assert "handshake refused with 401" in logged
    assert "a handler that fails" in logged
    assert SECRET not in logged
