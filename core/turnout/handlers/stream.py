"""Functions as stream handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from turnout.handlers.base import Result, StreamWebSocketHandler
from turnout.handlers.checks import sub_protocol_names

__all__ = ["FunctionHandler"]


class FunctionHandler(StreamWebSocketHandler):
    """A stream handler made of a function that takes the session, `async def` or plain."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        partial: bool = False,
        control_frames: bool = False,
        sub_protocols: str | Sequence[str] = (),
    ) -> None:
        self.handle: Callable[[Any], Result] = function  # type: ignore[assignment]  # that is the point
        self.supports_partial_messages = partial  # type: ignore[misc]  # per function, not per class
        self.receives_control_frames = control_frames  # type: ignore[misc]  # per function, not per class
        self.sub_protocols: Sequence[str] = sub_protocol_names(sub_protocols)

    def __repr__(self) -> str:
        return f"FunctionHandler({getattr(self.handle, '__qualname__', self.handle)!r})"
