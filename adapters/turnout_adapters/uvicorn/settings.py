"""What `configure` takes: the settings of `uvicorn.Config`, by uvicorn's names."""

from __future__ import annotations

import inspect
from functools import cache

import uvicorn

__all__ = ["BY_TURNOUT", "uvicorn_settings"]

BY_TURNOUT = {
    "app": "the registry",
    "host": "host in serve()",
    "port": "port in serve()",
    "uds": "unix in serve()",
    "fd": "host and port in serve()",
    "backlog": "backlog in serve()",
    "ssl_certfile": "tls_cert in serve()",
    "ssl_keyfile": "tls_key in serve()",
    "ws": "strategy in serve()",
    "ws_max_size": "the options max_text_size and max_binary_size",
    "ws_max_queue": "the option receive_buffer",
    "ws_ping_interval": "the option ping_interval",
    "ws_ping_timeout": "the option ping_timeout",
    "ws_per_message_deflate": "the option compression",
    "timeout_graceful_shutdown": "the option close_timeout",
}
"""Settings of uvicorn that turnout has another place for."""
OF_PROCESSES = frozenset(
    ("env_file", "factory", "fd", "interface", "lifespan", "workers", "timeout_worker_healthcheck")
)
"""Settings of uvicorn's command line and of its worker processes, of which there are none here."""


@cache
def uvicorn_settings() -> frozenset[str]:
    """Return the settings of the installed uvicorn that mean something here."""
    names = inspect.signature(uvicorn.Config.__init__).parameters.keys() - {"self"}
    return frozenset(
        name
        for name in names - BY_TURNOUT.keys() - OF_PROCESSES
        if not name.startswith(("reload", "ssl_"))
    )
