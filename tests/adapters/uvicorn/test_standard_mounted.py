"""turnout's own endpoints on the driver inside uvicorn, in an application of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from tests.adapters.uvicorn.applications import Endpoints, starlette_application
from tests.adapters.uvicorn.running import STANDARD, RunningUvicorn

from turnout import (
    Deflate,
    WebSocketHandlerRegistry,
    WebSocketOptions,
)
from turnout.testing.client import RawClient
from turnout.testing.frames import TEXT, encode_frame
from turnout_adapters.asgi import mount
from turnout_adapters.uvicorn import UvicornStandardStrategy

Run = Callable[..., RunningUvicorn]
DEFLATE = "permessage-deflate; client_max_window_bits"


def make_registry(options: WebSocketOptions | None = None) -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry(options=options)

    @registry.websocket("/turnout/pieces", partial=True)
    async def pieces(session: Any) -> None:
        async for piece in session:
            await session.send(f"{piece.payload} {piece.is_first} {piece.is_last}")

    @registry.websocket("/turnout/ping")
    async def ping(session: Any) -> None:
        assert session.native["type"] == "websocket"
        await session.ping()
        await session.send("pong")

    return registry


def check_pieces(client: RawClient) -> None:
    client.send_frame(TEXT, b"one", fin=False)
    assert client.read_text() == "one True False"
    client.send_frame(0, b"two")
    assert client.read_text() == "two False True"


def test_mounted_beside_an_application(run: Run, endpoints: Endpoints, http: str) -> None:
    inner = starlette_application(endpoints)
    inner.router.routes.append(Route("/page", lambda request: PlainTextResponse("a page")))
    running = run(mount(inner, make_registry()), http=http)
    check_pieces(running.connect("/turnout/pieces"))
    client = running.connect("/turnout/ping")
    client.send_pong(client.read_frame().payload)
    assert client.read_text() == "pong"
    other = running.connect("/echo")
    other.send_text("the application's own")
    assert other.read_text() == "the application's own"
    assert running.connect().fetch("/page").text == "a page"


def test_mounted_within_an_application(run: Run, endpoints: Endpoints) -> None:
    async def turned_away(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    within = mount(turned_away, make_registry())
    routes = [WebSocketRoute("/echo", endpoints.echo), Mount("/below", within)]
    running = run(Starlette(routes=routes))
    check_pieces(running.connect("/below/turnout/pieces"))
    assert running.connect().handshake("/below/nothing").status == 403


def test_checks_of_turnout_come_first(run: Run, endpoints: Endpoints) -> None:
    running = run(mount(starlette_application(endpoints), make_registry()))
    foreign = running.connect().handshake("/turnout/pieces", origin="https://elsewhere.example")
    assert (foreign.status, foreign.text) == (403, "The origin is not allowed.")
    posted = running.connect().handshake("/turnout/pieces", method="POST", version="8")
    assert (posted.status, posted.headers["Allow"]) == (405, "GET")
    assert running.connect().handshake("/turnout/pieces", key=None).status == 400
    assert "Server" not in running.connect().handshake("/turnout/pieces").headers


def test_compression_by_the_explicit_strategy(run: Run, endpoints: Endpoints) -> None:
    registry = make_registry(WebSocketOptions(compression=Deflate()))
    app = mount(starlette_application(endpoints), registry, UvicornStandardStrategy())
    response = run(app).connect().open("/turnout/pieces", extensions=DEFLATE)
    assert response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")


def test_explicit_strategy_on_another_implementation(
    run: Run, endpoints: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    app = mount(starlette_application(endpoints), make_registry(), UvicornStandardStrategy())
    client = run(app, ws="wsproto").connect()
    assert client.handshake("/turnout/pieces").status == 500
    assert "--ws turnout_adapters.uvicorn:WebSocketProtocol" in caplog.text


def test_shutdown_of_turnouts_own(run: Run, endpoints: Endpoints) -> None:
    running = run(mount(starlette_application(endpoints), make_registry()))
    ours, theirs = running.connect("/turnout/pieces"), running.connect("/echo")
    running.ask_to_stop()
    assert ours.read_close() == (1001, "")
    assert theirs.read_close() == (1012, "")
    for client in (ours, theirs):
        client.send_close()
        client.expect_end()


def test_uvloop_of_turnouts_own(run: Run, endpoints: Endpoints) -> None:
    running = run(mount(starlette_application(endpoints), make_registry()), loop="uvloop")
    client = running.connect("/turnout/pieces")
    frame = encode_frame(TEXT, b"x" * 200_000)
    client.stream.write(frame[:100_000])
    client.stream.write(frame[100_000:])
    assert len(client.read_text()) > 200_000
    client.send_close()
    assert client.read_close() == (1000, "")
    client.expect_end()


@pytest.mark.parametrize("implementation", [STANDARD, "wsproto"])
def test_handshake_that_uvicorn_takes_for_http(
    run: Run, endpoints: Endpoints, implementation: str
) -> None:
    app = mount(starlette_application(endpoints), make_registry())
    client = run(app, ws=implementation).connect()
    headers = (("Connection", "keep-alive"),)
    response = client.handshake("/turnout/pieces", headers=headers)
    assert (response.status, response.text) == (
        400,
        "The server takes this request for plain HTTP.",
    )


def test_failure_after_the_101_cuts_the_connection(
    run: Run, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("after the 101")

    app = mount(starlette_application(endpoints), make_registry())
    monkeypatch.setattr(app.service, "start_session", fail)
    run(app).connect("/turnout/ping").expect_end()
