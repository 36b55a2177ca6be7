"""Starlette: turnout as a middleware, and mounted as a sub-application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from live import below, note, registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.asgi import AsgiApplication, mount
from turnout_adapters.http_sessions import asgi_scope

serve_user(asgi_scope())
mounted = AsgiApplication(below)


def own(request: Request) -> PlainTextResponse:
    return PlainTextResponse("the framework's own page")


async def login(request: Request) -> PlainTextResponse:
    request.session["user"] = "ada"
    return PlainTextResponse("welcome")


class Backend(AuthenticationBackend):
    """Believes whoever gives a name."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("X-User")
        return None if name is None else (AuthCredentials(), SimpleUser(name))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    note("up")
    yield
    await mounted.service.drain()  # a sub-application hears nothing of the lifespan
    note("down")


app = Starlette(
    routes=[Route("/own", own), Route("/login", login), Mount("/below", mounted)],
    middleware=[
        Middleware(SessionMiddleware, secret_key="secret"),
        Middleware(AuthenticationMiddleware, backend=Backend()),
        Middleware(mount, registry=registry),
        Middleware(mount, registry=chat),
    ],
    lifespan=lifespan,
)
