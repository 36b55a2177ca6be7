"""Quart: turnout around its `asgi_app`, so that `quart run` has it too."""

from __future__ import annotations

from quart import Quart, session

from live import note, registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.asgi import mount
from turnout_adapters.framework_sessions import quart_session

app = Quart(__name__)
app.secret_key = "secret"
serve_user(quart_session(app))
app.asgi_app = mount(mount(app.asgi_app, registry), chat)  # type: ignore[method-assign]  # Quart's own way


@app.get("/own")
async def own() -> str:
    return "the framework's own page"


@app.get("/login")
async def login() -> str:
    session["user"] = "ada"
    return "welcome"


@app.before_serving
async def startup() -> None:
    note("up")


@app.after_serving
async def shutdown() -> None:
    note("down")
