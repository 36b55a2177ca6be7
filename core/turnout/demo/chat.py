"""A chat with rooms: one handler, unchanged on every engine.

Start it with `turnout demo`, or as any registry: `turnout serve turnout.demo.chat:registry`.

Page and handler talk JSON, one object in each text message. A page may say

    {"type": "join", "room": "lobby", "name": "Ada"}      enter a room, leaving the one before
    {"type": "say", "text": "Hello!"}                     to everybody in the room
    {"type": "leave"}

and is told

    {"type": "joined", "room": ..., "name": ..., "people": [...]}
    {"type": "people", "people": [...], "came": ...}      or "went": who is here has changed
    {"type": "message", "name": ..., "text": ..., "at": milliseconds since 1970}
    {"type": "left"}
    {"type": "error", "text": ...}                        what it said changed nothing, and why

Texts are passed on as they are: nothing here is HTML, and the page never treats it as such.
"""

from __future__ import annotations

import json
import time
from typing import Any

from turnout import (
    CloseStatus,
    Lock,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketSession,
    broadcast,
)
from turnout.demo.page import Page

__all__ = ["MAX_NAME", "MAX_ROOM", "MAX_TEXT", "PAGE", "Chat", "registry"]

MAX_NAME, MAX_ROOM, MAX_TEXT = 24, 32, 500
"""The longest name, room and message, in characters."""


class Refused(Exception):
    """What somebody said makes no sense; the message tells them why."""


class Room:
    """Who is in it, in the order in which they came: session by session, each with a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.people: dict[WebSocketSession, str] = {}

    def tell(self, **event: Any) -> None:
        """Send an event to everybody: encoded once, and never waiting for whoever reads slowly."""
        broadcast(self.people, json.dumps(event))

    def tell_who_is_here(self, **change: str) -> None:
        """Send the list of people to everybody, with the change that it follows."""
        self.tell(type="people", people=list(self.people.values()), **change)

    def free_name(self, wanted: str) -> str:
        """Return the wanted name, or the first of `Ada 2`, `Ada 3`, ... that nobody has."""
        name, number = wanted, 2
        while name in self.people.values():
            name, number = f"{wanted} {number}", number + 1
        return name


class Chat(TextWebSocketHandler):
    """One object serves every session; a binary message is refused by the base class.

    On engines with threads it is called for several sessions at the same time, hence the lock.
    """

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.changing: Lock = Lock()

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        """Do what a page asks; the messages of one session come one at a time, in order."""
        try:
            match read(message.payload):
                case {"type": "join", "room": str(room), "name": str(name)}:
                    room, name = tidy(room, "room", MAX_ROOM), tidy(name, "name", MAX_NAME)
                    await self.join(session, room, name)
                case {"type": "say", "text": str(text)}:
                    await self.say(session, text)
                case {"type": "leave"}:
                    await self.leave(session)
                    await tell(session, type="left")
                case _:
                    raise Refused("Say join (with room and name), say (with text) or leave.")
        except Refused as refused:
            await tell(session, type="error", text=str(refused))

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        """Leave the room, however the connection ended: this is called once, always."""
        await self.leave(session)

    async def join(self, session: WebSocketSession, room_name: str, wanted: str) -> None:
        """Enter a room, which begins to exist with its first visitor."""
        async with self.changing:
            self._part(session)
            room = self.rooms.setdefault(room_name, Room(room_name))
            name = room.free_name(wanted)
            room.people[session] = name
            people = list(room.people.values())
        session.attributes["room"] = room  # attributes are the handler's own, for each session
        await tell(session, type="joined", room=room_name, name=name, people=people)
        async with self.changing:
            room.tell_who_is_here(came=name)

    async def say(self, session: WebSocketSession, text: str) -> None:
        """Pass a message on to everybody in the room, the speaker too."""
        room: Room | None = session.attributes.get("room")
        if room is None:
            raise Refused("Join a room first.")
        if not text.strip() or len(text) > MAX_TEXT:
            raise Refused(f"A message has 1 to {MAX_TEXT} characters.")
        now = int(time.time() * 1000)
        async with self.changing:
            room.tell(type="message", name=room.people[session], text=text, at=now)

    async def leave(self, session: WebSocketSession) -> None:
        """Leave the room, if in one; the last one out closes it."""
        async with self.changing:
            self._part(session)

    def _part(self, session: WebSocketSession) -> None:
        room: Room | None = session.attributes.pop("room", None)
        if room is None:
            return
        name = room.people.pop(session)
        room.tell_who_is_here(went=name)
        if not room.people:
            del self.rooms[room.name]


async def tell(session: WebSocketSession, **event: Any) -> None:
    """Send an event to one session; this waits while its peer reads slowly."""
    await session.send_text(json.dumps(event))


def read(text: str) -> Any:
    """Return what a page has said."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("That is not JSON.") from error


def tidy(text: str, what: str, limit: int) -> str:
    """Return a name on one line and of sensible length."""
    text = " ".join(text.split())
    if not 0 < len(text) <= limit:
        raise Refused(f"A {what} has 1 to {limit} characters.")
    return text


PAGE = Page("page.html")

registry: WebSocketHandlerRegistry = WebSocketHandlerRegistry()
registry.add_handler(Chat(), "/chat", options=WebSocketOptions(max_text_size=8 * 1024))
registry.add_http_handler(PAGE, "/")  # the page comes from the same port
