"""Which application is run by which command line, and what is peculiar about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from signal import SIGINT, SIGTERM, Signals
from typing import Any

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One command line; `{port}` stands for a free port where the server does not tell which.

    `goodbye` is the close code that clients get at the end: 1001 where turnout ends the sessions,
    else what the server sends in its place. `heard` is what `after_connection_closed` is told.
    `code` is the exit code.
    """

    command: str
    signal: Signals = SIGTERM
    goodbye: int = 1001
    heard: int = 1001
    code: int = 0
    lifespan: bool = False
    """The framework has heard of startup and shutdown."""
    below: bool = False
    """A second registry is mounted below a prefix by the framework's own means."""
    authenticates: bool = False
    user: str = "/user"

    def run_by(self, command: str, **changes: Any) -> Row:
        """Return the same application run by another server."""
        return replace(self, command=f"{command} {self.command}", **changes)


STARLETTE = Row(command="starlette_app:app", lifespan=True, below=True, authenticates=True)
FASTAPI = Row(command="fastapi_app:app", lifespan=True, below=True)
LITESTAR = Row(command="litestar_app:app", lifespan=True, below=True, user="/below/user")
QUART = Row(command="quart_app:app", lifespan=True)
DJANGO = Row(command="django_asgi:app")
FLASK = Row(command="flask_app:app", below=True, authenticates=True)

UVICORN: dict[str, Any] = {
    "goodbye": 1012,
    "heard": 1012,
    "code": -SIGTERM,
}  # it ends by the signal, after all
GRANIAN = "granian --interface asgi --host 127.0.0.1 --port {port}"
GUNICORN = "gunicorn -b 127.0.0.1:0 --no-control-socket"
WSGI = [
    FLASK,
    *(Row(command=f"{name}:app") for name in ("django_wsgi", "bottle_app", "falcon_app")),
]

ROWS = [
    STARLETTE.run_by("uvicorn --port 0", **UVICORN),
    STARLETTE.run_by(
        "uvicorn --port 0 --ws turnout_adapters.uvicorn:WebSocketProtocol", code=-SIGTERM
    ),
    STARLETTE.run_by("hypercorn --bind 127.0.0.1:0"),
    STARLETTE.run_by("daphne -b 127.0.0.1 -p 0", lifespan=False),
    STARLETTE.run_by(GRANIAN),
    FASTAPI.run_by("uvicorn --port 0", **UVICORN),
    replace(FASTAPI, command="fastapi run --host 127.0.0.1 --port 0 fastapi_app.py", **UVICORN),
    LITESTAR.run_by("uvicorn --port 0", **UVICORN),
    replace(LITESTAR, command="litestar --app litestar_app:app run --port {port}", **UVICORN),
    QUART.run_by("hypercorn --bind 127.0.0.1:0"),
    replace(QUART, command="quart --app quart_app run --port {port}"),
    DJANGO.run_by("uvicorn --port 0", **UVICORN),
    DJANGO.run_by("daphne -b 127.0.0.1 -p 0"),
    replace(FLASK, command="flask --app flask_app run --port 0", signal=SIGINT),
    *(row.run_by(f"{GUNICORN} -k gevent") for row in WSGI),
    *(row.run_by(f"{GUNICORN} -k gthread --threads 8") for row in WSGI),
]
