"""One visitor of the chat, as a process: `python -m turnout.demo.client HOST PORT ROOM NAME`.

Ada waits for Grace, greets her, waits for the answer and leaves; Grace waits for the greeting,
answers, and leaves once Ada has. Each step is printed; the exit code is 1 when one does not come.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from turnout.testing import RawClient

__all__ = ["main"]

Event = dict[str, Any]


class Visitor:
    """A client that speaks the chat's JSON; every wait has the deadline of `RawClient`."""

    def __init__(self, client: RawClient, room: str, name: str) -> None:
        self.client = client
        self.room = room
        self.name = name
        self.people: list[str] = []

    def enter(self) -> None:
        """Join the room under this name."""
        self._send(type="join", room=self.room, name=self.name)
        event = self._wait_until(lambda event: event["type"] == "joined")
        _print(f"joined the room {event['room']!r} as {event['name']}")

    def wait_for(self, name: str, *, here: bool) -> None:
        """Return once somebody is in the room, or is there no more."""
        while (name in self.people) != here:
            self._receive()
        _print(f"sees that {name} {'is here' if here else 'has left'}")

    def say(self, text: str) -> None:
        """Say something to the room."""
        self._send(type="say", text=text)
        _print(f"says: {text}")

    def hear(self, name: str) -> None:
        """Return once somebody has said something."""
        event = self._wait_until(lambda event: event["type"] == "message" and event["name"] == name)
        _print(f"hears from {name}: {event['text']}")

    def go(self) -> None:
        """Leave, and shake hands to close."""
        self._send(type="leave")
        self._wait_until(lambda event: event["type"] == "left")
        code, _ = self.client.close()
        if code != 1000:
            raise AssertionError(f"the server answered the close with {code}, not 1000")
        _print("left and closed the connection: 1000")

    def _send(self, **event: Any) -> None:
        self.client.send_text(json.dumps(event))

    def _wait_until(self, holds: Callable[[Event], bool]) -> Event:
        while not holds(event := self._receive()):
            continue
        return event

    def _receive(self) -> Event:
        event: Event = json.loads(self.client.read_text())
        if event["type"] == "error":
            raise AssertionError(f"the chat refuses: {event['text']}")
        self.people = event.get("people", self.people)
        return event


def ada(visitor: Visitor) -> None:
    """Greet whoever comes."""
    visitor.wait_for("Grace", here=True)
    visitor.say("Hello Grace! 👋")
    visitor.hear("Grace")
    visitor.go()


def grace(visitor: Visitor) -> None:
    """Answer a greeting."""
    visitor.hear("Ada")
    visitor.say("Hello Ada, good to see you.")
    visitor.wait_for("Ada", here=False)
    visitor.go()


PARTS = {"Ada": ada, "Grace": grace}


def main(host: str, port: str, room: str, name: str) -> int:
    """Play the part of `name`; return the exit code."""
    try:
        with RawClient((host, int(port))) as client:
            client.open("/chat")
            visitor = Visitor(client, room, name)
            visitor.enter()
            PARTS[name](visitor)
    except (OSError, AssertionError) as error:  # RawClient's deadlines are an OSError, too
        _print(f"failed: {type(error).__name__}: {error}")
        return 1
    return 0


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
