"""A WSGI application that finds out by its first request which server it runs on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from turnout.errors import ConfigurationError

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout_adapters.wsgi.views import Environ, StartResponse, WsgiApplication

__all__ = ["HostedApplication", "mount"]


class HostedApplication:
    """Serves a registry by the engine of its server, and leaves other requests to `app`.

    `engine` is that engine's own application, with its `service` and `drain`, once there was a
    request; in every process its own.
    """

    def __init__(
        self, registry: WebSocketHandlerRegistry, app: WsgiApplication | None = None
    ) -> None:
        self.engine: Any = None
        self._registry = registry
        self._app = app
        self._finding = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if self.engine is None:
            module = _module_for(environ)
            if module is None:
                return self._on_an_unknown_server(environ, start_response)
            with self._finding:
                if self.engine is None:
                    self.engine = import_module(module).mount(self._app, self._registry)
        answer: Iterable[bytes] = self.engine(environ, start_response)
        return answer

    def _on_an_unknown_server(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        if self._app is not None and "websocket" not in environ.get("HTTP_UPGRADE", "").lower():
            return self._app(environ, start_response)
        software = environ.get("SERVER_SOFTWARE", "this server")
        raise ConfigurationError(
            f"{software} leaves an application no socket to speak WebSocket on: run it by"
            " gunicorn -k gevent, gunicorn -k gthread, gevent's pywsgi, Werkzeug or cheroot"
        )


def _module_for(environ: Environ) -> str | None:
    """Return the module of the engine whose request this is."""
    software = environ.get("SERVER_SOFTWARE", "")
    if "gunicorn.socket" in environ:
        on_gevent = type(environ["gunicorn.socket"]).__module__.startswith("gevent.")
        return f"turnout_adapters.gunicorn.{'gevent' if on_gevent else 'gthread'}"
    if "werkzeug.socket" in environ:
        return "turnout_adapters.werkzeug"
    if software.startswith("gevent/"):
        return f"turnout_adapters.{'gunicorn.gevent' if 'gunicorn/' in software else 'gevent'}"
    if software.startswith("Cheroot/"):
        return "turnout_adapters.cheroot"
    return None


def mount(app: WsgiApplication | None, registry: WebSocketHandlerRegistry) -> HostedApplication:
    """Return a WSGI application: `app` with the WebSockets of `registry` in front.

    The other routes of `app` are untouched. What a server's engine cannot honour is refused by the
    first request; the `mount` of that engine's own module refuses it at once, and takes a strategy.
    """
    registry.options.check_mounted()
    return HostedApplication(registry, app)
