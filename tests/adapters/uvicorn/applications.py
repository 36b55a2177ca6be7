"""One application twice, by Starlette and by FastAPI: WebSockets that each do one thing."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

FLOOD = 1000
Endpoint = Callable[[WebSocket], Awaitable[None]]


class Endpoints:
    """The WebSockets; what they see of the end of theirs is in `seen`."""

    def __init__(self) -> None:
        self.seen: queue.Queue[Any] = queue.Queue()
        self.sent = 0
        self.go = asyncio.Event()

    async def echo(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                event = await websocket.receive()
                if event["type"] == "websocket.disconnect":
                    self.seen.put((event["code"], event.get("reason") or ""))
                    return
                event["type"] = "websocket.send"
                await websocket.send(event)
        except WebSocketDisconnect:
            self.seen.put("could not send")

    async def accept(self, websocket: WebSocket) -> None:
        await websocket.accept("chat", [(b"x-application", b"here")])
        await websocket.close(4001, "bye")

    async def scope(self, websocket: WebSocket) -> None:
        await websocket.accept()
        scope = websocket.scope
        names = ("scheme", "root_path", "path", "client", "subprotocols", "http_version")
        facts = {name: scope[name] for name in names}
        facts["raw_path"] = scope["raw_path"].decode()
        facts["query"] = scope["query_string"].decode()
        facts["state"] = dict(scope["state"])
        facts["cookies"] = websocket.cookies
        await websocket.send_json(facts)
        await websocket.close()

    async def refuse(self, websocket: WebSocket) -> None:
        await websocket.close()

    async def deny(self, websocket: WebSocket) -> None:
        answer = Response("Who are you?", 401, {"WWW-Authenticate": "Basic"})
        await websocket.send_denial_response(answer)

    async def deny_in_pieces(self, websocket: WebSocket) -> None:
        answer = StreamingResponse(iter(["one ", "two"]), 402)
        await websocket.send_denial_response(answer)

    async def give_up(self, websocket: WebSocket) -> None:
        return

    async def fail_early(self, websocket: WebSocket) -> None:
        raise RuntimeError("before the handshake")

    async def leave(self, websocket: WebSocket) -> None:
        await websocket.accept()

    async def fail(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()
        raise RuntimeError("a secret")

    async def unoffered(self, websocket: WebSocket) -> None:
        await websocket.accept("other")

    async def send_after_close(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()
        await websocket.close(4000)
        try:
            await websocket._send({"type": "websocket.send", "text": "too late"})
        except Exception as error:
            self.seen.put(type(error).__name__)

    async def send_after_end(self, websocket: WebSocket) -> None:
        await websocket.accept()
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
        try:
            await websocket._send({"type": "websocket.send", "text": "too late"})
        except Exception as error:
            self.seen.put(type(error).__name__)

    async def flood(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            for number in range(FLOOD):
                self.sent = number
                await websocket.send_bytes(bytes(64 * 1024))
        except WebSocketDisconnect:
            self.seen.put("could not send")

    async def wait(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.seen.put("accepted")
        await self.go.wait()
        while (event := await websocket.receive())["type"] == "websocket.receive":
            self.seen.put(event["text"])
        self.seen.put((event["code"], event.get("reason") or ""))


NAMES = [name for name in vars(Endpoints) if not name.startswith("_")]


def _endpoints(endpoints: Endpoints) -> dict[str, Endpoint]:
    return {f"/{name}": getattr(endpoints, name) for name in NAMES}


def starlette_application(endpoints: Endpoints, **settings: Any) -> Starlette:
    """Return the application of Starlette."""
    routes = [WebSocketRoute(path, one) for path, one in _endpoints(endpoints).items()]
    return Starlette(routes=routes, **settings)


def fastapi_application(endpoints: Endpoints, **settings: Any) -> FastAPI:
    """Return the application of FastAPI."""
    app = FastAPI(**settings)
    for path, endpoint in _endpoints(endpoints).items():
        app.add_api_websocket_route(path, endpoint)
    return app
