"""What the tests run by gunicorn's command line: a web application, and turnout in front of it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from turnout import CloseStatus, TextWebSocketHandler, WebSocketHandlerRegistry, WebSocketOptions
from turnout_adapters.gunicorn.gthread import mount

registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))


class Recorder(TextWebSocketHandler):
    """Echoes, and tells how sessions ended."""

    def handle_text_message(self, session: Any, message: Any) -> None:
        session.send(message)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        print(f"closed {status.code} in {os.getpid()}", file=sys.stderr, flush=True)


registry.add_handler(Recorder(), "/echo")


@registry.websocket("/facts")
async def facts(session: Any) -> None:
    await session.send(
        json.dumps(
            {
                "uri": session.uri,
                "remote": session.remote_address,
                "local": session.local_address,
                "process": os.getpid(),
                "headers": session.handshake_headers.get_all("X-Twice"),
            }
        )
    )
    await session.receive()


@registry.websocket("/stuck")
def stuck(session: Any) -> None:
    session.send("stuck")
    threading.Event().wait()


def host(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"host saw ", environ["PATH_INFO"].encode("latin-1")]


application = mount(host, registry)


def behind_a_wrapper(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on a `start_response` of its own, as session middlewares do."""

    def wrapped(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        return start_response(status, [*headers, ("X-Wrapped", "yes")], *exc_info)

    return application(environ, wrapped)


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of gunicorn's response."""
    environ["gunicorn.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
    start_response("101 Switching Protocols", [])
    return ()
