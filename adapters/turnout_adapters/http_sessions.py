"""Where common stores keep HTTP sessions: sources for `HttpSessionHandshakeInterceptor`.

    HttpSessionHandshakeInterceptor(source=aiohttp_session)
    HttpSessionHandshakeInterceptor(source=tornado_signed_cookie("session"))
    HttpSessionHandshakeInterceptor(source=wsgi_environ("beaker.session"))
    HttpSessionHandshakeInterceptor(source=asgi_scope())

Nothing is imported before the first handshake. A session that a store has only just made up for a
request without one is no session, unless the interceptor is to create one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from turnout.handshake.http_session import HttpSession, SessionSource

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp_session import Session
    from tornado.web import RequestHandler

    from turnout.http import ServerHttpRequest, ServerHttpResponse

__all__ = ["CREATED", "aiohttp_session", "asgi_scope", "tornado_signed_cookie", "wsgi_environ"]

CREATED = "turnout.created"
"""What a session holds that was created by a handshake."""


async def aiohttp_session(
    request: ServerHttpRequest, response: ServerHttpResponse, create: bool
) -> HttpSession | None:
    """Read the session of aiohttp-session, whatever its storage; its middleware must be set up.

    A created session is saved at once, and its cookie goes out with the 101: the middleware itself
    saves nothing once a connection has been upgraded. It holds `CREATED`, as these storages take
    an empty session for none.
    """
    from aiohttp_session import get_session

    native: web.Request = request.native
    session = await get_session(native)
    if session.new:
        if not create:
            return None
        session[CREATED] = True
        await _save(session, native, response)
    return HttpSession(dict(session), _text_or_none(session.identity))


async def _save(session: Session, native: web.Request, response: ServerHttpResponse) -> None:
    from aiohttp import web
    from aiohttp_session import STORAGE_KEY

    carrier = web.Response()  # only this class has what a storage writes its cookie to
    await native[STORAGE_KEY].save_session(native, carrier, session)
    for cookie in carrier.cookies.values():
        response.headers.add("Set-Cookie", cookie.OutputString())


def tornado_signed_cookie(
    name: str,
    *,
    max_age_days: float = 31,
    decode: Callable[[bytes], Mapping[str, Any]] = json.loads,
) -> SessionSource:
    """Read a signed cookie of Tornado as a session; the application's `cookie_secret` must be set.

    `decode` makes a mapping of the cookie's value, by default of a JSON object. A cookie without
    a valid signature, or older than `max_age_days`, is no session. It has no id, and there is no
    store behind it in which one could be created.
    """
    return _SignedCookie(name, max_age_days, decode)


Save: TypeAlias = Callable[[Any], str | None]
"""Stores a new session; returns the `Set-Cookie` value to send, or None if someone else does."""


def wsgi_environ(key: str, *, save: Save | None = None) -> SessionSource:
    """Read the session that a WSGI middleware has put under `key` of the environ.

    Stores differ in how a session is made to last, so one is created only with `save`, as in
    `save=lambda session: session.save()` for Beaker. On gevent the 101 passes `start_response`,
    where such a middleware adds its cookie: `save` has none to return.
    """
    return _Stored(key, save)


def asgi_scope(key: str = "session", *, save: Save | None = None) -> SessionSource:
    """Read the session that an ASGI middleware has put under `key` of the scope.

    Such a middleware sets its cookie with `http.response.start`, which an upgrade does not send:
    so one is created only with `save`, which returns the cookie.
    """
    return _Stored(key, save)


@dataclass(frozen=True, slots=True)
class _SignedCookie:
    can_create: ClassVar[bool] = False

    name: str
    max_age_days: float
    decode: Callable[[bytes], Mapping[str, Any]]

    def __call__(
        self, request: ServerHttpRequest, response: ServerHttpResponse, create: bool
    ) -> HttpSession | None:
        native: RequestHandler = request.native
        value = native.get_signed_cookie(self.name, max_age_days=self.max_age_days)
        return None if value is None else HttpSession(dict(self.decode(value)))


@dataclass(frozen=True, slots=True)
class _Stored:
    key: str
    save: Save | None

    @property
    def can_create(self) -> bool:
        return self.save is not None

    def __call__(
        self, request: ServerHttpRequest, response: ServerHttpResponse, create: bool
    ) -> HttpSession | None:
        session = request.native.get(self.key)
        if session is None:
            return None
        if _is_new(session):
            if not create or self.save is None:
                return None
            cookie = self.save(session)
            if cookie is not None:
                response.headers.add("Set-Cookie", cookie)
        return HttpSession(dict(session), _id_of(session))


def _is_new(session: Any) -> bool:
    """Tell whether a store has made a session up: they call it so, or leave it empty."""
    for name in ("new", "is_new"):
        told = getattr(session, name, None)
        if isinstance(told, bool):
            return told
    return not session


def _id_of(session: Any) -> str | None:
    """Return the id by whatever name a store has for it: werkzeug's, Beaker's, Django's."""
    ids = (getattr(session, name, None) for name in ("sid", "id", "session_key"))
    return next((found for found in ids if isinstance(found, str)), None)


def _text_or_none(identity: object) -> str | None:
    return None if identity is None else str(identity)
