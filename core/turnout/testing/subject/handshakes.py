"""The subject's interceptors and handshake handlers, in both colours where there are two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import turnout
from turnout import (
    HandshakeHandler,
    HandshakeInterceptor,
    HandshakeRefused,
    Principal,
    ServerHttpRequest,
    ServerHttpResponse,
)
from turnout.testing.agreed import DETAIL
from turnout.testing.subject.facts import FROM_INTERCEPTOR, gate_is_open
from turnout.testing.subject.injected import INJECTED
from turnout.testing.subject.recorder import record, token_of

__all__ = ["INTERCEPTORS", "Holding", "Inventing", "NamedByQuery"]

CHALLENGE = [("WWW-Authenticate", 'Bearer realm="turnout"'), ("X-Reason", "no token")]


class AsyncMarking(HandshakeInterceptor):
    """Leave a mark in the attributes, the answer's headers, the context and the record."""

    async def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        attributes: dict[str, Any],
    ) -> None:
        _mark(request, response, attributes)

    async def after_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        exception: BaseException | None,
    ) -> None:
        _record_end(request, exception)


class PlainMarking(HandshakeInterceptor):
    """`AsyncMarking` in the other colour."""

    def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        attributes: dict[str, Any],
    ) -> None:
        _mark(request, response, attributes)

    def after_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        exception: BaseException | None,
    ) -> None:
        _record_end(request, exception)


def _mark(
    request: ServerHttpRequest, response: ServerHttpResponse, attributes: dict[str, Any]
) -> None:
    attributes["mark"] = request.query.get("mark", "none")
    response.headers.add("X-Mark", "intercepted")
    FROM_INTERCEPTOR.set("carried over")
    record(request.uri, "before")


def _record_end(request: ServerHttpRequest, exception: BaseException | None) -> None:
    record(request.uri, "after", error=None if exception is None else type(exception).__name__)


class AsyncRefusing(HandshakeInterceptor):
    """Refuse in the way that the query names."""

    async def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        attributes: dict[str, Any],
    ) -> bool:
        record(request.uri, "asked")
        return _refuse(request.query["how"], response)


class PlainRefusing(HandshakeInterceptor):
    """`AsyncRefusing` in the other colour."""

    def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        attributes: dict[str, Any],
    ) -> bool:
        record(request.uri, "asked")
        return _refuse(request.query["how"], response)


def _refuse(how: str, response: ServerHttpResponse) -> bool:
    if how == "401":
        raise HandshakeRefused(401, CHALLENGE, "token needed")
    if how == "error":
        raise RuntimeError(DETAIL)
    if how == "status":
        response.status = 429
        response.headers.add("Retry-After", "7")
    if how.startswith("status "):
        raise HandshakeRefused(int(how.removeprefix("status ")))
    if how == "body without UTF-8":
        raise HandshakeRefused(403, body="\ud800")
    if how in INJECTED:
        response.headers.add(*INJECTED[how])
    if how.startswith("refusal with "):
        raise HandshakeRefused(403, [INJECTED[how.removeprefix("refusal with ")]])
    return how not in ("false", "status")


INTERCEPTORS: dict[str, tuple[type[HandshakeInterceptor], type[HandshakeInterceptor]]] = {
    "async": (AsyncMarking, AsyncRefusing),
    "plain": (PlainMarking, PlainRefusing),
}


class Holding(HandshakeInterceptor):
    """Hold the handshake at the gate, before or after it as the query names.

    There is no second colour: on asyncio a plain interceptor that waits holds up everybody.
    """

    async def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        attributes: dict[str, Any],
    ) -> None:
        await _hold(request, "before")

    async def after_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: Any,
        exception: BaseException | None,
    ) -> None:
        if exception is None:
            await _hold(request, "after")


async def _hold(request: ServerHttpRequest, where: str) -> None:
    if request.query["hold"] == where:
        record(request.uri, "held")
        while not gate_is_open(token_of(request.uri)):
            await turnout.sleep(0.01)  # polled for the reason that `gated` names


class User:
    """A principal of a name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Inventing(HandshakeHandler):
    """Choose a sub-protocol that was not offered: the first offer, percent-decoded."""

    def select_sub_protocol(
        self, offered: Sequence[str], spoken_by_handler: Sequence[str]
    ) -> str | None:
        return unquote(offered[0])


class NamedByQuery(HandshakeHandler):
    """Take the user's name from the query, and refuse who is called nobody."""

    def determine_user(
        self, request: ServerHttpRequest, handler: Any, attributes: dict[str, Any]
    ) -> Principal | None:
        name = request.query.get("user")
        if name == "nobody":
            raise HandshakeRefused(401, CHALLENGE, "who are you?")
        return None if name is None else User(name)
