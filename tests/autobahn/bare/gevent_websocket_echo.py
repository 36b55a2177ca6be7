"""An echo server on gevent-websocket alone."""

from __future__ import annotations

import sys
from typing import Any

from geventwebsocket import Resource, WebSocketApplication, WebSocketServer


class Echo(WebSocketApplication):  # type: ignore[misc]  # it ships no types
    def on_message(self, message: Any) -> None:
        if message is not None:
            self.ws.send(message, binary=isinstance(message, bytearray))


app = Resource([("/echo", Echo)])

if __name__ == "__main__":
    WebSocketServer(("127.0.0.1", int(sys.argv[1])), app).serve_forever()
