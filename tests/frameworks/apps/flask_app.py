"""Flask: turnout around its `wsgi_app`, so that `flask run` has it too, and beside it by prefix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, session
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from live import below, registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.framework_sessions import flask_session
from turnout_adapters.wsgi import mount

app = Flask(__name__)
app.secret_key = "secret"
serve_user(flask_session(app))
beside = DispatcherMiddleware(app.wsgi_app, {"/below": mount(None, below)})
mounted = mount(mount(beside, registry), chat)


def authenticated(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Believe whoever gives a name."""
    environ["REMOTE_USER"] = environ.get("HTTP_X_USER", "")
    return mounted(environ, start_response)


app.wsgi_app = authenticated  # type: ignore[method-assign]  # Flask's own way to wrap it


@app.get("/own")
def own() -> str:
    return "the framework's own page"


@app.get("/login")
def login() -> str:
    session["user"] = "ada"
    return "welcome"
