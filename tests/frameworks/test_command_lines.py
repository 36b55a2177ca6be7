"""turnout in every framework, run by the command lines that its users type."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
from tests.command_lines import DEADLINE
from tests.frameworks.conftest import Hosted
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from turnout.demo import client as visitor
from turnout.testing.http import HttpResponse

FOREIGN = Origin("https://elsewhere.example")


def fetch(hosted: Hosted, target: str) -> HttpResponse:
    with hosted.server.connect() as client:
        return client.fetch(target, headers={"Connection": "close"})


def url(hosted: Hosted, target: str) -> str:
    return f"ws://{hosted.server.place}{target}"


def test_the_frameworks_own_page(hosted: Hosted) -> None:
    answer = fetch(hosted, "/own")
    assert (answer.status, answer.body) == (200, b"the framework's own page")
    assert fetch(hosted, "/no/such").status == 404


@pytest.mark.parametrize("target", ["/echo", "/plain"])
def test_an_echo_to_websockets(hosted: Hosted, target: str) -> None:
    with connect(url(hosted, target), open_timeout=DEADLINE) as client:
        for text in ("hello", "x" * 100_000, "grüße"):
            client.send(text)
            assert client.recv(DEADLINE) == text
        client.close(4001, "bye")


def test_an_echo_to_aiohttp(hosted: Hosted) -> None:
    async def talk() -> str:
        timeout = aiohttp.ClientTimeout(DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.ws_connect(url(hosted, "/echo")) as client:
                await client.send_str("hello")
                return await client.receive_str()

    assert asyncio.run(talk()) == "hello"


def test_a_foreign_origin_is_refused(hosted: Hosted) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(url(hosted, "/echo"), origin=FOREIGN, open_timeout=DEADLINE)
    assert refused.value.response.status_code == 403


def test_the_frameworks_session_is_seen(hosted: Hosted) -> None:
    answer = fetch(hosted, "/login")
    assert answer.body == b"welcome"
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    target = url(hosted, hosted.row.user)
    with connect(target, additional_headers={"Cookie": cookie}) as client:
        assert json.loads(client.recv(DEADLINE)) == ["ada", None]
    with connect(target) as client:
        assert json.loads(client.recv(DEADLINE)) == [None, None]


def test_the_user_that_the_host_knows_is_seen(hosted: Hosted) -> None:
    name = "grace" if hosted.row.authenticates else None
    with connect(url(hosted, hosted.row.user), additional_headers={"X-User": "grace"}) as client:
        assert json.loads(client.recv(DEADLINE)) == [None, name]


def test_a_mount_below_a_prefix(hosted: Hosted) -> None:
    if not hosted.row.below:
        with pytest.raises(InvalidStatus):
            connect(url(hosted, "/below/echo"), open_timeout=DEADLINE)
        return
    for target in ("/below/echo", "/below/rooms/a%20b"):
        with connect(url(hosted, target), open_timeout=DEADLINE) as client:
            client.send("hello")
            assert client.recv(DEADLINE) == "hello"


def test_the_demo(hosted: Hosted) -> None:
    page = fetch(hosted, "/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    host, port = hosted.server.place.split(":")
    with ThreadPoolExecutor() as visitors:
        codes = visitors.map(
            lambda name: visitor.main(host, port, "platform 9", name), ["Ada", "Grace"]
        )
        assert list(codes) == [0, 0]


def test_the_end(hosted: Hosted) -> None:
    with connect(url(hosted, "/echo"), open_timeout=DEADLINE) as client:
        client.send("hello")
        assert client.recv(DEADLINE) == "hello"
        hosted.server.signal(hosted.row.signal)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE)
    received = closed.value.rcvd
    assert (None if received is None else received.code) == hosted.row.goodbye
    assert hosted.server.wait() == hosted.row.code
    ends = [note for note in hosted.notes if note.startswith("closed")]
    assert len(ends) == hosted.notes.count("opened")  # exactly once for each
    assert ends[-1] == f"closed {hosted.row.heard}"
    phases = [note for note in hosted.notes if note in {"up", "down"}]
    assert phases == (["up", "down"] if hosted.row.lifespan else [])
    assert "turnout_" not in (written := hosted.server.output), written  # as in a traceback
