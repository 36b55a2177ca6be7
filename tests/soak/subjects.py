"""What the storm has to know of what is served."""

from __future__ import annotations

__all__ = ["SHAPES"]

SHAPES = ("async-callback", "async-stream", "plain-callback", "plain-stream")
"""Handlers of both colours, as callbacks and as streams; each is a path."""
