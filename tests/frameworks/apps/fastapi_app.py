"""FastAPI: turnout as a middleware, and mounted as a sub-application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.middleware.sessions import SessionMiddleware

from live import below, note, registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.asgi import AsgiApplication, mount
from turnout_adapters.http_sessions import asgi_scope

serve_user(asgi_scope())
mounted = AsgiApplication(below)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    note("up")
    yield
    await mounted.service.drain()  # a sub-application hears nothing of the lifespan
    note("down")


app = FastAPI(lifespan=lifespan)
app.mount("/below", mounted)
app.add_middleware(mount, registry=chat)
app.add_middleware(mount, registry=registry)
app.add_middleware(SessionMiddleware, secret_key="secret")  # the last one added runs first


@app.get("/own", response_class=PlainTextResponse)
def own() -> str:
    return "the framework's own page"


@app.get("/login", response_class=PlainTextResponse)
async def login(request: Request) -> str:
    request.session["user"] = "ada"
    return "welcome"
