"""The subject with the fault that `TURNOUT_SOAK_FAULT` names: a soak has to find it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from turnout.registry import WebSocketHandlerRegistry
from turnout.session.lifecycle import Lifecycle
from turnout.session.session import WebSocketSession

__all__ = ["FAULTS", "registry"]

turn = itertools.count(1)
kept: list[object] = []


def seldom(often: int = 20) -> bool:
    """Tell whether it is time for a mistake."""
    return next(turn) % often == 0


def lost_message() -> None:
    """A message that no handler gets."""
    receive = WebSocketSession.message_received
    replace(
        WebSocketSession,
        "message_received",
        lambda session, message: None if seldom() else receive(session, message),
    )


def repeated_message() -> None:
    """A message that a handler gets twice."""
    receive = WebSocketSession.message_received

    def receive_again(session: Any, message: Any) -> None:
        receive(session, message)
        if seldom():
            receive(session, message)

    replace(WebSocketSession, "message_received", receive_again)


def end_untold() -> None:
    """A handler that is not told of the end."""
    replace(Lifecycle, "_claim_closed", lambda life: not seldom(5))


def session_kept() -> None:
    """A session that stays in the registry."""
    forget = WebSocketHandlerRegistry.forget_session
    replace(
        WebSocketHandlerRegistry,
        "forget_session",
        lambda registry, session: None if seldom(5) else forget(registry, session),
    )


def descriptor_kept() -> None:
    """A descriptor that nobody closes."""
    forget = WebSocketHandlerRegistry.forget_session

    def forget_and_keep(registry: Any, session: Any) -> None:
        forget(registry, session)
        if seldom(5):
            kept.append(os.dup(2))

    replace(WebSocketHandlerRegistry, "forget_session", forget_and_keep)


def memory_kept() -> None:
    """Something of every connection, which is not small."""
    forget = WebSocketHandlerRegistry.forget_session

    def forget_and_keep(registry: Any, session: Any) -> None:
        forget(registry, session)
        kept.append([object() for _ in range(1000)])

    replace(WebSocketHandlerRegistry, "forget_session", forget_and_keep)


def replace(owner: type, name: str, value: Callable[..., Any]) -> None:
    """Put a mistake in the place of a method."""
    setattr(owner, name, value)


FAULTS: dict[str, tuple[Callable[[], None], str]] = {
    "lost_message": (lost_message, r"the handler got message \d+ after \d+"),
    "repeated_message": (repeated_message, r"the handler got message \d+ after \d+"),
    "end_untold": (end_untold, "told of its begin 1 times, of its end 0 times"),
    "session_kept": (session_kept, r"sessions: \d+ are left"),
    "descriptor_kept": (descriptor_kept, r"descriptors: \d+ before, \d+ after"),
    "memory_kept": (memory_kept, r"blocks: [\d,]+ before, [\d,]+ after"),
}
"""Each with what the soak must say of it."""

if "TURNOUT_SOAK_FAULT" in os.environ:
    FAULTS[os.environ["TURNOUT_SOAK_FAULT"]][0]()
    from tests.soak.subject import registry
