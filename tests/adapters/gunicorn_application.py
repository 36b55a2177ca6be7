"""What gunicorn serves by its command line: a web application, and turnout in front of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from turnout import (
    CloseStatus,
    HandshakeInterceptor,
    TextWebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Recorder(TextWebSocketHandler):
    """Echoes, and tells how sessions ended."""

    def handle_text_message(self, session: Any, message: Any) -> None:
        session.send(message)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        print(f"closed {status.code} in {os.getpid()}", file=sys.stderr, flush=True)


class Refuse(HandshakeInterceptor):
    """Refuses with 401."""

    def before_handshake(
        self, request: Any, response: Any, handler: object, attributes: dict[str, Any]
    ) -> bool:
        response.status = 401
        return False


async def facts(session: Any) -> None:
    """Say what the session knows, and wait for its end."""
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


def registered() -> WebSocketHandlerRegistry:
    """Return a registry with these handlers."""
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))
    registry.add_handler(Recorder(), "/echo")
    registry.add_handler(Recorder(), "/refused").add_interceptors(Refuse())
    registry.websocket("/facts")(facts)
    return registry


def host(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"host saw ", environ["PATH_INFO"].encode("latin-1"), b" ", body]


def wrapped(application: Application) -> Application:
    """Return a middleware that hands on a `start_response` of its own, as those of sessions do."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def marking(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("X-Wrapped", "yes")], *exc_info)

        return application(environ, marking)

    return middleware


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of gunicorn's response."""
    environ["gunicorn.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
    start_response("101 Switching Protocols", [])
    return ()
