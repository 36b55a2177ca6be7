"""Connections behind an ASGI host with `Frames`, as far as a guard's input asks them."""

from __future__ import annotations

from typing import cast

from turnout.messages import Message, PingMessage, PongMessage
from turnout.options import WebSocketOptions
from turnout.protocol.extensions import DeflateParameters
from turnout_compat.asgi_frames import Event, FramedConnection, GuardedInput
from turnout_compat.frame_guard import FrameGuard

__all__ = ["Seeing", "Unseen", "begin"]


class Unseen:
    """One whose handler sees no control frames, and whose messages all go through the host."""

    heard = False

    def __init__(self, deflate: DeflateParameters | None = None) -> None:
        self.options = WebSocketOptions()
        self.deflate = deflate

    def take_control(self, message: PingMessage | PongMessage) -> bool:
        """Take it."""
        return True

    def take_messages(self, passed_on: int, guard: FrameGuard) -> None:
        """Take none."""

    def take_event(self, passed_on: int, event: Event) -> bool:
        """Take none."""
        return False


class Seeing(Unseen):
    """One whose handler sees pings and pongs, and that takes messages past the host."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.taken = 0
        self.takes = 1000

    def take_control(self, message: PingMessage | PongMessage) -> bool:
        """Leave it to the host to pass it on."""
        return False

    def take_messages(self, passed_on: int, guard: FrameGuard) -> None:
        """Take what there is, when nothing is on its way."""
        while self.taken == passed_on and self.takes:
            message = guard.next_message()
            if message is None:
                return
            self.takes -= 1
            self.messages.append(message)

    def take_event(self, passed_on: int, event: Event) -> bool:
        """Take it, when nothing is on its way."""
        if self.taken != passed_on:
            return False
        self.messages.append(event["message"])
        return True


def begin(guarded: GuardedInput, connection: Unseen) -> None:
    """Begin to guard the input of a connection."""
    guarded.begin(cast("FramedConnection", connection))
