"""Bottle behind turnout; it has no sessions of its own, so Beaker's stand around both."""

from __future__ import annotations

from beaker.middleware import SessionMiddleware
from bottle import Bottle, request

from live import registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.http_sessions import wsgi_environ
from turnout_adapters.wsgi import mount

bottle = Bottle()
serve_user(wsgi_environ("beaker.session"))


@bottle.get("/own")  # type: ignore[untyped-decorator]  # Bottle ships no types
def own() -> str:
    return "the framework's own page"


@bottle.get("/login")  # type: ignore[untyped-decorator]  # as above
def login() -> str:
    stored = request.environ["beaker.session"]
    stored["user"] = "ada"
    stored.save()
    return "welcome"


app = SessionMiddleware(mount(mount(bottle, registry), chat), {"session.type": "memory"})
