"""Falcon behind turnout; it has no sessions of its own, so Beaker's stand around both."""

from __future__ import annotations

from typing import Any

import falcon
from beaker.middleware import SessionMiddleware

from live import registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.http_sessions import wsgi_environ
from turnout_adapters.wsgi import mount

serve_user(wsgi_environ("beaker.session"))


class Own:
    def on_get(self, request: Any, response: Any) -> None:
        response.text = "the framework's own page"


class Login:
    def on_get(self, request: Any, response: Any) -> None:
        stored = request.env["beaker.session"]
        stored["user"] = "ada"
        stored.save()
        response.text = "welcome"


falcon_app: Any = falcon.App()
falcon_app.add_route("/own", Own())
falcon_app.add_route("/login", Login())
app = SessionMiddleware(mount(mount(falcon_app, registry), chat), {"session.type": "memory"})
