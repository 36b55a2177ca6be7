"""The public surface: what `turnout` exports is what is meant to be public, and nothing else."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import turnout

ALL = None  # everything that the module names in its `__all__`

PUBLIC: dict[str, set[str] | None] = {
    "turnout.capabilities": ALL,
    "turnout.close": {"CloseStatus"},
    "turnout.errors": ALL,
    "turnout.handlers.base": {
        "BinaryWebSocketHandler",
        "StreamWebSocketHandler",
        "SubProtocolCapable",
        "TextWebSocketHandler",
        "WebSocketHandler",
    },
    "turnout.handlers.decorators": ALL,
    "turnout.handlers.per_connection": ALL,
    "turnout.handshake.handler": {"HandshakeHandler"},
    "turnout.handshake.http_session": {"HttpSessionHandshakeInterceptor"},
    "turnout.handshake.interceptors": {"HandshakeInterceptor"},
    "turnout.handshake.tokens": {"TokenInterceptor"},
    "turnout.headers": {"Headers"},
    "turnout.http": {"Principal", "ServerHttpRequest", "ServerHttpResponse"},
    "turnout.messages": {
        "BinaryMessage",
        "Message",
        "PingMessage",
        "PongMessage",
        "TextMessage",
    },
    "turnout.options": ALL,
    "turnout.primitives": {"Event", "Lock", "Queue", "TaskGroup", "sleep", "spawn", "timeout"},
    "turnout.registration": {"HttpRequestHandler", "WebSocketHandlerRegistration"},
    "turnout.registry": {"WebSocketHandlerRegistry"},
    "turnout.service": {"WebSocketService"},
    "turnout.serving": {"ServerSettings", "serve"},
    "turnout.session.blocking": {"BlockingSession"},
    "turnout.session.broadcast": {"broadcast", "join"},
    "turnout.session.session": {"WebSocketSession"},
    "turnout.strategy": ALL,
}


def exported(module: str) -> set[str]:
    everything = set(importlib.import_module(module).__all__)
    names = PUBLIC[module]
    if names is None:
        return everything
    assert names <= everything, f"{module} does not export {sorted(names - everything)}"
    return names


def modules() -> list[str]:
    """Return the modules of core, but not packages and the tests of the suite."""
    root = Path(turnout.__file__).parent
    files = (path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py"))
    return sorted(
        ".".join(path.parts)
        for path in files
        if not path.stem.startswith("__") and "suite" not in path.parts
    )


def test_turnout_exports_the_union_of_what_is_public() -> None:
    assert set(turnout.__all__) == {name for module in PUBLIC for name in exported(module)}


def test_exports_are_sorted_and_unique() -> None:
    assert turnout.__all__ == sorted(set(turnout.__all__))


@pytest.mark.parametrize("module", PUBLIC)
def test_exports_are_the_objects_of_their_modules(module: str) -> None:
    home = importlib.import_module(module)
    for name in exported(module):
        assert getattr(turnout, name) is getattr(home, name)


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_exports(name: str) -> None:
    """Each in an interpreter of its own, so that no module leans on another's imports."""
    check = f"import {name} as m; assert [getattr(m, name) for name in m.__all__] is not None"
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True, timeout=30)


def test_star_import_brings_the_exports_only() -> None:
    namespace: dict[str, object] = {}
    exec("from turnout import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(turnout.__all__)
