"""Where web frameworks keep HTTP sessions: sources for `HttpSessionHandshakeInterceptor`.

    HttpSessionHandshakeInterceptor(source=flask_session(app))
    HttpSessionHandshakeInterceptor(source=quart_session(app))
    HttpSessionHandshakeInterceptor(source=django_session)

These frameworks read the session of a request by themselves, inside, where turnout stands in front.
Starlette's, FastAPI's and Litestar's are in the scope: `asgi_scope` of
`turnout_adapters.http_sessions` reads them, as `wsgi_environ` does those of WSGI middlewares.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from turnout.handshake.http_session import HttpSession, SessionSource

if TYPE_CHECKING:
    from flask import Flask
    from quart import Quart

    from turnout.http import ServerHttpRequest, ServerHttpResponse

__all__ = ["django_session", "flask_session", "quart_session"]


def flask_session(app: Flask) -> SessionSource:
    """Read the session of a Flask application, whatever its `session_interface`."""
    return _FlaskSession(app)


def quart_session(app: Quart) -> SessionSource:
    """Read the session of a Quart application, whatever its `session_interface`."""
    return _QuartSession(app)


class _FlaskSession:
    can_create: ClassVar[bool] = False

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(
        self, request: ServerHttpRequest, response: ServerHttpResponse, create: bool
    ) -> HttpSession | None:
        native = self._app.request_class(request.native)
        return _found(self._app.session_interface.open_session(self._app, native))


class _QuartSession:
    can_create: ClassVar[bool] = False

    def __init__(self, app: Quart) -> None:
        self._app = app

    async def __call__(
        self, request: ServerHttpRequest, response: ServerHttpResponse, create: bool
    ) -> HttpSession | None:
        from werkzeug.datastructures import Headers

        native = self._app.request_class(
            method=request.method,
            scheme=request.scheme,
            path=request.path,
            query_string=request.query_string.encode(),
            headers=Headers(list(request.headers.fields())),
            root_path=request.native.get("root_path", ""),
            http_version=request.http_version,
            scope=request.native,
            send_push_promise=_push_nothing,
        )
        return _found(await self._app.session_interface.open_session(self._app, native))


class _DjangoSession:
    can_create: ClassVar[bool] = False

    async def __call__(
        self, request: ServerHttpRequest, response: ServerHttpResponse, create: bool
    ) -> HttpSession | None:
        from django.conf import settings
        from django.http.cookie import parse_cookie

        key = parse_cookie(request.headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
        if not key:
            return None
        store = import_module(settings.SESSION_ENGINE).SessionStore(key)
        values = store.load() if "wsgi.version" in request.native else await store.aload()
        return HttpSession(values, store.session_key) if values else None


django_session: SessionSource = _DjangoSession()
"""Read the session of Django's middleware, by the `SESSION_ENGINE` and the cookie in its settings.

With Django's own users, `_auth_user_id` in it is the id of the one who has logged in.
"""


async def _push_nothing(path: str, headers: object) -> None:
    """Push nothing: this request is only made to look at its cookies."""


def _found(session: Any) -> HttpSession | None:
    """Return what a framework has found, unless it has made it up."""
    if not session:
        return None
    identity = getattr(session, "sid", None)
    return HttpSession(dict(session), identity if isinstance(identity, str) else None)
