"""The subject's plain HTTP side, in both colours; the fallback transports stand on all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from turnout import BodyTooLargeError, ConnectionClosed, ServerHttpRequest, ServerHttpResponse
from turnout.testing.agreed import DETAIL
from turnout.testing.subject.injected import INJECTED
from turnout.testing.subject.recorder import record

__all__ = ["BODY_LIMIT", "HTTP_HANDLERS"]

BODY_LIMIT = 100_000
OCTETS = [("Content-Type", "application/octet-stream")]


async def async_body(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Answer with the digest of the request's body, or 413."""
    try:
        body = await request.read_body(BODY_LIMIT)
    except BodyTooLargeError:
        await response.send(413, body=b"too large")
    else:
        await response.send(200, [("X-Method", request.method)], _digest(body))


def plain_body(request: Any, response: Any) -> None:
    """`async_body` in the other colour."""
    try:
        body = request.read_body(BODY_LIMIT)
    except BodyTooLargeError:
        response.send(413, body=b"too large")
    else:
        response.send(200, [("X-Method", request.method)], _digest(body))


def _digest(body: bytes) -> bytes:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


async def async_status(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Answer with the status that the path names and what the query asks for."""
    response.headers.add("X-Added", "before")
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Query", request.query_string)]
    await response.send(int(request.path_variables["code"]), fields, b"an answer")


def plain_status(request: Any, response: Any) -> None:
    """`async_status` in the other colour."""
    response.headers.add("X-Added", "before")
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Query", request.query_string)]
    response.send(int(request.path_variables["code"]), fields, b"an answer")


async def async_stream(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Stream `pieces` pieces of `size` bytes and record how far it came."""
    count, size = int(request.query["pieces"]), int(request.query["size"])
    await response.start(200, OCTETS)
    try:
        for number in range(count):
            await response.write(bytes([number % 256]) * size)
            record(request.uri, "written", number=number)
        await response.finish()
    except ConnectionClosed:
        record(request.uri, "client gone")
    else:
        record(request.uri, "finished")


def plain_stream(request: Any, response: Any) -> None:
    """`async_stream` in the other colour."""
    count, size = int(request.query["pieces"]), int(request.query["size"])
    response.start(200, OCTETS)
    try:
        for number in range(count):
            response.write(bytes([number % 256]) * size)
            record(request.uri, "written", number=number)
        response.finish()
    except ConnectionClosed:
        record(request.uri, "client gone")
    else:
        record(request.uri, "finished")


async def async_disconnect(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Start a body and wait for the client to go."""
    await response.start(200, OCTETS)
    await response.write(b"waiting")
    await response.wait_disconnected()
    record(request.uri, "client gone", disconnected=response.disconnected)


def plain_disconnect(request: Any, response: Any) -> None:
    """`async_disconnect` in the other colour."""
    response.start(200, OCTETS)
    response.write(b"waiting")
    response.wait_disconnected()
    record(request.uri, "client gone", disconnected=response.disconnected)


async def async_failing(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Raise before anything is answered."""
    raise RuntimeError(DETAIL)


def plain_failing(request: Any, response: Any) -> None:
    """`async_failing` in the other colour."""
    raise RuntimeError(DETAIL)


async def async_injected(request: ServerHttpRequest, response: ServerHttpResponse) -> None:
    """Answer with a header that may not be sent."""
    fields = [INJECTED[request.query["what"]]]
    await (response.send if request.query["how"] == "send" else response.start)(200, fields)


def plain_injected(request: Any, response: Any) -> None:
    """`async_injected` in the other colour."""
    fields = [INJECTED[request.query["what"]]]
    (response.send if request.query["how"] == "send" else response.start)(200, fields)


HTTP_HANDLERS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "async": {
        "body": async_body,
        "status/{code}": async_status,
        "stream": async_stream,
        "disconnect": async_disconnect,
        "failing": async_failing,
        "injected": async_injected,
    },
    "plain": {
        "body": plain_body,
        "status/{code}": plain_status,
        "stream": plain_stream,
        "disconnect": plain_disconnect,
        "failing": plain_failing,
        "injected": plain_injected,
    },
}
