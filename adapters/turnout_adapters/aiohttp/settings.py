"""What `configure` takes: the settings of aiohttp's server, by aiohttp's names.

They are those of `aiohttp.web_protocol.RequestHandler` (keep-alive, size limits, access log, ...),
`shutdown_timeout` of its runners, `reuse_address` and `reuse_port` of `TCPSite`, and `loop_factory`
(such as `uvloop.new_event_loop`).
"""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from typing import Any

from aiohttp import web

from turnout.errors import ConfigurationError

__all__ = ["check_settings", "handler_settings"]

SITE_SETTINGS = ("reuse_address", "reuse_port")
OWN_SETTINGS = (*SITE_SETTINGS, "loop_factory", "shutdown_timeout")
BY_OPTION = {
    "compress": "compression",
    "heartbeat": "ping_interval",
    "max_msg_size": "max_text_size",
    "protocols": "sub_protocols",
    "receive_timeout": "idle_timeout",
    "timeout": "close_timeout",
    "writer_limit": "send_buffer",
}
"""Settings of aiohttp's WebSockets that turnout has an option for."""


@cache
def handler_settings() -> frozenset[str]:
    """Return the settings that the installed aiohttp gives to each connection."""
    parameters = inspect.signature(web.RequestHandler.__init__).parameters.values()
    named = {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}
    return frozenset(named - {"loop"})


def check_settings(engine: str, native: dict[str, Any]) -> None:
    """Raise `ConfigurationError` for a setting that aiohttp does not have, or that is an option."""
    known = sorted({*handler_settings(), *OWN_SETTINGS})
    for name in native:
        if name in BY_OPTION:
            raise ConfigurationError(
                f"{name} is decided by turnout on every engine: set the option {BY_OPTION[name]}"
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise ConfigurationError(f"the engine {engine!r} has no setting {name!r}; {hint}")
