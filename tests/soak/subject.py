"""What the server under the storm serves: handlers of both colours and shapes, and its figures."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator
from typing import Any

from tests.soak.conversation import acknowledgement, take_request
from tests.soak.held import held, held_after_collection
from tests.soak.journal import Journal
from tests.soak.subjects import SHAPES

from turnout import (
    CloseStatus,
    Deflate,
    Message,
    StreamWebSocketHandler,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    broadcast,
)
from turnout.testing.agreed import WITHOUT_VARIABLE

__all__ = ["JOURNAL_VARIABLE", "registry"]

JOURNAL_VARIABLE = "TURNOUT_SOAK_JOURNAL"

FLOOD = b"x" * 4096
FLOOD_MESSAGES = 32
BROADCAST_SESSIONS = 50
OPTIONS = {
    "ping_interval": 5.0,
    "ping_timeout": 5.0,
    "close_timeout": 5.0,
    "send_timeout": 5.0,
    "send_buffer": 64 * 1024,
    "max_connections": None,
}

journal = Journal(os.environ[JOURNAL_VARIABLE])
without = set(filter(None, os.environ.get(WITHOUT_VARIABLE, "").split(",")))
registry = WebSocketHandlerRegistry(
    options=WebSocketOptions.from_values({k: v for k, v in OPTIONS.items() if k not in without})
)
broadcasts = itertools.count(1)


class Conversation:
    """One connection, seen by its handler."""

    def __init__(self, session: Any) -> None:
        self.client = int(session.path_variables["client"])
        self.received = 0
        journal.opened(self.client)

    def take(self, message: Message) -> Iterator[str | bytes]:
        """Journal a message and yield what is to be sent; `closes` tells whether to close then."""
        payload = message.payload
        try:
            request = take_request(payload if isinstance(payload, str) else payload.decode())
        except ValueError as error:
            journal.violation(self.client, str(error))
            return
        if request.number != self.received + 1:
            journal.violation(self.client, f"message {request.number} after {self.received}")
        self.received = request.number
        self.closes = request.command == "bye"
        if request.command == "flood":
            yield from itertools.repeat(FLOOD, FLOOD_MESSAGES)
        elif request.command == "broadcast":
            send_to_some(f"broadcast {next(broadcasts)}")
        yield acknowledgement(request.number)

    closes = False


def send_to_some(text: str) -> None:
    """Broadcast to a few sessions, whoever they are."""
    sessions = list(registry.sessions.values())
    broadcast(random.sample(sessions, min(BROADCAST_SESSIONS, len(sessions))), text)


def begin(session: Any) -> Conversation:
    """Begin the conversation of a session."""
    conversation = session.attributes["conversation"] = Conversation(session)
    return conversation


def end(session: Any) -> None:
    """Journal that the handler was told of the end."""
    conversation = session.attributes.get("conversation")
    client = int(session.path_variables["client"])
    journal.closed(client, 0 if conversation is None else conversation.received)


class AsyncCallback(WebSocketHandler):
    """Callbacks, `async def`."""

    async def after_connection_established(self, session: Any) -> None:
        begin(session)

    async def handle_text_message(self, session: Any, message: Message) -> None:
        conversation = session.attributes["conversation"]
        for answer in conversation.take(message):
            await session.send(answer)
        if conversation.closes:
            await session.close(4001, "bye")

    handle_binary_message = handle_text_message

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        end(session)


class PlainCallback(WebSocketHandler):
    """Callbacks, plain `def`."""

    def after_connection_established(self, session: Any) -> None:
        begin(session)

    def handle_text_message(self, session: Any, message: Message) -> None:
        conversation = session.attributes["conversation"]
        for answer in conversation.take(message):
            session.send(answer)
        if conversation.closes:
            session.close(4001, "bye")

    handle_binary_message = handle_text_message

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        end(session)


class AsyncStream(StreamWebSocketHandler):
    """A stream, `async def`."""

    async def handle(self, session: Any) -> None:
        conversation = begin(session)
        async for message in session:
            await session.send(conversation.take(message))
            if conversation.closes:
                await session.close(4001, "bye")

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        end(session)


class PlainStream(StreamWebSocketHandler):
    """A stream, plain `def`."""

    def handle(self, session: Any) -> None:
        conversation = begin(session)
        for message in session:
            session.send(conversation.take(message))
            if conversation.closes:
                session.close(4001, "bye")

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        end(session)


async def figures(request: Any, response: Any) -> None:
    """Answer what the process holds; with `?collect` garbage is collected before."""
    counted = held_after_collection() if "collect" in request.query_string else held()
    counted["sessions"] = len(registry.sessions)
    counted["violations"] = journal.violations
    await response.send(200, [("Content-Type", "application/json")], json.dumps(counted).encode())


HANDLERS: tuple[WebSocketHandler | StreamWebSocketHandler, ...] = (
    AsyncCallback(),
    AsyncStream(),
    PlainCallback(),
    PlainStream(),
)
for shape, handler in zip(SHAPES, HANDLERS, strict=True):
    registry.add_handler(handler, f"/{shape}/{{client}}")
    if "compression" not in without:
        deflating = WebSocketOptions(compression=Deflate(window_bits=9, memory_level=1))
        registry.add_handler(handler, f"/deflate/{shape}/{{client}}", options=deflating)
registry.add_http_handler(figures, "/figures")
