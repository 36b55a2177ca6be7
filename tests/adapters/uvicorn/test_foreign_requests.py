"""How requests reach an application through the driver, and go on behind a refusal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.adapters.uvicorn.applications import Endpoints, starlette_application
from tests.adapters.uvicorn.running import TIMEOUT, RunningUvicorn

Run = Callable[..., RunningUvicorn]


def test_scope(run: Run, endpoints: Endpoints, http: str) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"database": "open"}

    app = starlette_application(endpoints, lifespan=lifespan)
    client = run(app, http=http, root_path="/root").connect()
    client.open(
        "/scope?token=%20x",
        protocols="a, b",
        headers=(("Cookie", "a=1"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")),
    )
    facts = json.loads(client.read_text())
    assert facts == {
        "scheme": "wss",
        "root_path": "/root",
        "path": "/root/scope",
        "raw_path": "/root/scope",
        "query": "token=%20x",
        "client": ["1.2.3.4", 0],
        "subprotocols": ["a", "b"],
        "http_version": "1.1",
        "state": {"database": "open"},
        "cookies": {"a": "1"},
    }


def test_path_is_decoded_once(run: Run, http: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"{scope['path']} {scope['raw_path']!r}"})

    client = run(app, http=http, lifespan="off").connect("/%C3%A9/a%2520b")
    assert client.read_text() == "/é/a%20b b'/%C3%A9/a%2520b'"


def test_http_1_0(run: Run, endpoints: Endpoints, http: str) -> None:
    client = run(starlette_application(endpoints), http=http).connect()
    assert client.handshake("/echo", http_version="HTTP/1.0").status == 400
    client.expect_end()


def test_refused_body_is_not_the_next_request(run: Run, endpoints: Endpoints) -> None:
    client = run(starlette_application(endpoints), http="h11").connect()
    request = client.handshake_request("/echo", headers=(("Content-Length", "30"),)).encode()
    assert client.request(request).status == 400
    client.expect_end()


def test_refused_request_goes_on_with_http(run: Run, endpoints: Endpoints, http: str) -> None:
    app = starlette_application(endpoints)
    app.router.routes.append(Route("/page", lambda request: PlainTextResponse("a page")))
    client = run(app, http=http).connect()
    assert client.handshake("/deny").status == 401
    assert client.fetch("/page").text == "a page"
    assert client.handshake("/echo", version="8").status == 426
    client.open("/echo")
    client.send_text("at last")
    assert client.read_text() == "at last"


def test_frames_before_the_accept(run: Run) -> None:
    connected, go = queue.Queue[asyncio.Event](), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        connected.put(go)
        await go.wait()
        await send({"type": "websocket.accept"})
        event = await receive()
        await send({"type": "websocket.send", "text": event["text"]})

    running = run(app, lifespan="off")
    client = running.connect()
    client.stream.write(client.handshake_request("/").encode())
    connected.get(timeout=TIMEOUT)
    client.send_text("early")
    running.loop.call_soon_threadsafe(go.set)
    assert client.request(b"").status == 101
    assert client.read_text() == "early"


def test_client_goes_before_the_accept(run: Run) -> None:
    seen: queue.Queue[Any] = queue.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.put(await receive())
        seen.put(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            seen.put(type(error).__name__)

    client = run(app, lifespan="off").connect()
    client.stream.write(client.handshake_request("/").encode())
    assert seen.get(timeout=TIMEOUT) == {"type": "websocket.connect"}
    client.stream.close()
    assert seen.get(timeout=TIMEOUT)["code"] == 1006
    assert seen.get(timeout=TIMEOUT) == "ClientDisconnected"


def test_one_task_receives_while_another_accepts(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        receiving = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receiving)["text"]})

    client = run(app, lifespan="off").connect("/")
    client.send_text("hello")
    assert client.read_text() == "hello"
