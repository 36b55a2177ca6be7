"""An echo application on Flask and flask-sock, so on simple-websocket, for WSGI servers."""

from __future__ import annotations

import sys

from flask import Flask
from flask_sock import Sock
from simple_websocket import Server

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"max_message_size": 64 * 1024 * 1024}


@Sock(app).route("/echo")  # type: ignore[untyped-decorator]  # it ships no types
def echo(websocket: Server) -> None:
    while True:
        websocket.send(websocket.receive())


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
