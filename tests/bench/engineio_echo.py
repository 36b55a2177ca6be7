"""An echo server on python-socketio's engine, over aiohttp."""

from __future__ import annotations

import sys
from typing import Any

import engineio  # type: ignore[import-untyped]  # it has no types
from aiohttp import web

engine = engineio.AsyncServer(
    async_mode="aiohttp", transports=["websocket"], max_http_buffer_size=64 * 1024 * 1024
)


@engine.on("message")  # type: ignore[untyped-decorator]  # as above
async def echo(sid: str, data: Any) -> None:
    await engine.send(sid, data)


if __name__ == "__main__":
    app = web.Application()
    engine.attach(app, "echo")
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
