"""An echo server on Tornado alone: PORT, and a PEM file for TLS."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    def get_compression_options(self) -> dict[str, Any]:
        return {}

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def main(port: int, pem: str | None = None) -> None:
    app = Application([("/echo", Echo)], websocket_max_message_size=64 * 1024 * 1024)
    app.listen(port, "127.0.0.1", ssl_options=None if pem is None else {"certfile": pem})
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
