"""Litestar: turnout in front of its `asgi_handler`, so that `litestar run` has it, and as a route.

Its session middleware runs for routes only, so what wants the session is below the route.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, asgi, get
from litestar.middleware.session.server_side import ServerSideSessionConfig

from live import below, note, registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.asgi import AsgiApplication, mount
from turnout_adapters.http_sessions import asgi_scope

serve_user(asgi_scope(), below)
mounted = AsgiApplication(below)


@get("/own", media_type="text/plain")
async def own() -> str:
    return "the framework's own page"


@get("/login", media_type="text/plain")
async def login(request: Request[Any, Any, Any]) -> str:
    request.session["user"] = "ada"
    return "welcome"


async def startup() -> None:
    note("up")


async def shutdown() -> None:
    for turnout in (mounted, around, chatting):  # none of them hears of the lifespan
        await turnout.service.drain()
    note("down")


app = Litestar(
    route_handlers=[own, login, asgi("/below", is_mount=True, copy_scope=True)(mounted)],
    middleware=[ServerSideSessionConfig().middleware],
    on_startup=[startup],
    on_shutdown=[shutdown],
)
around = mount(app.asgi_handler, registry)
app.asgi_handler = chatting = mount(around, chat)
