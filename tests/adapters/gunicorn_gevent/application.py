"""What the tests run by gunicorn's command line: a web application, and turnout in front of it."""

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
from turnout_adapters.gunicorn.gevent import mount

registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))


class Recorder(TextWebSocketHandler):
    """Echoes, and tells how sessions ended."""

    def handle_text_message(self, session: Any, message: Any) -> None:
        session.send(message)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        print(f"closed {status.code} in {os.getpid()}", file=sys.stderr, flush=True)


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


class Refuse(HandshakeInterceptor):
    def before_handshake(
        self, request: Any, response: Any, handler: object, attributes: dict[str, Any]
    ) -> bool:
        response.status = 401
        return False


registry.add_handler(Recorder(), "/echo")
registry.add_handler(Recorder(), "/refused").add_interceptors(Refuse())


def host(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"host saw ", environ["PATH_INFO"].encode("latin-1"), b" ", body]


application = mount(host, registry)


def behind_a_wrapper(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on a `start_response` of its own, as session middlewares do."""

    def wrapped(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        return start_response(status, [*headers, ("X-Wrapped", "yes")], *exc_info)

    return application(environ, wrapped)


def behind_a_reader(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on an input of its own."""
    environ["wsgi.input"] = object()
    return application(environ, start_response)


def behind_a_writer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on both a `start_response` and a `write` of its own."""

    def wrapped(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        write = start_response(status, [*headers, ("X-Wrapped", "yes")], *exc_info)
        return lambda data: write(data)  # noqa: PLW0108  # its own is the point

    return application(environ, wrapped)


def below_a_prefix(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Mount the application under `/below`."""
    environ["SCRIPT_NAME"] += "/below"
    environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/below")
    return application(environ, start_response)


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of gunicorn's response."""
    environ["gunicorn.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
    start_response("101 Switching Protocols", [])
    return ()
