"""What the subject's handlers of both colours share: nothing in here waits."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

from turnout import (
    BlockingSession,
    ConnectionClosed,
    TurnoutError,
    WebSocketHandlerRegistry,
    WebSocketSession,
)
from turnout.testing.subject.recorder import record

__all__ = [
    "FROM_INTERCEPTOR",
    "describe_error",
    "describe_session",
    "gate_is_open",
    "open_gate",
    "record_end",
    "registry",
]

FROM_INTERCEPTOR: ContextVar[str] = ContextVar("from_interceptor", default="not carried over")

_open_gates: set[str] = set()
_gates_lock = threading.Lock()


def open_gate(name: str) -> None:
    """Let the handlers pass that wait at the gate called `name`."""
    with _gates_lock:
        _open_gates.add(name)


def gate_is_open(name: str) -> bool:
    """Tell whether `open_gate` was called."""
    return name in _open_gates


def registry() -> WebSocketHandlerRegistry:
    """Return the registry that is served."""
    from turnout.testing import subject  # it imports the handlers, which import this module

    return subject.registry


def describe_session(session: WebSocketSession | BlockingSession) -> dict[str, Any]:
    """Return what the session knows, as JSON."""
    return {
        "id": session.id,
        "uri": session.uri,
        "path_variables": dict(session.path_variables),
        "headers": {name.lower(): value for name, value in session.handshake_headers.items()},
        "attributes": {name: str(value) for name, value in session.attributes.items()},
        "principal": None if session.principal is None else session.principal.name,
        "local_address": session.local_address,
        "remote_address": session.remote_address,
        "accepted_protocol": session.accepted_protocol,
        "extensions": [str(extension) for extension in session.extensions],
        "text_message_size_limit": session.text_message_size_limit,
        "binary_message_size_limit": session.binary_message_size_limit,
        "state": session.state,
        "is_open": session.is_open,
        "has_native": session.native is not None,
        "context": FROM_INTERCEPTOR.get(),
    }


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON."""
    facts: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, ConnectionClosed):
        facts.update(code=error.code, reason=error.reason, by=error.by)
    facts["is_turnout_error"] = isinstance(error, TurnoutError)
    return facts


def record_end(session: WebSocketSession | BlockingSession, event: str, **facts: Any) -> None:
    """Record how a connection stands when its handler ends."""
    status = session.close_status
    how = {
        "code": None if status is None else status.code,
        "reason": None if status is None else status.reason,
        "state": session.state,
    }
    record(session.uri, event, **{**how, **facts})
