"""The chat's handler, over a real connection to the standard engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.demo.engines import Demo

from turnout.demo.chat import MAX_NAME, MAX_ROOM, MAX_TEXT
from turnout.testing import RawClient

Event = dict[str, Any]


class Visitor:
    def __init__(self, port: int) -> None:
        self.client = RawClient(("127.0.0.1", port))
        self.client.open("/chat")

    def say(self, **event: Any) -> None:
        self.client.send_text(json.dumps(event))

    def hear(self, *kinds: str) -> list[Event]:
        """Return the next events, which must be of these kinds."""
        events: list[Event] = [json.loads(self.client.read_text()) for _ in kinds]
        assert [event["type"] for event in events] == list(kinds)
        return events

    def join(self, room: str, name: str) -> Event:
        self.say(type="join", room=room, name=name)
        return self.hear("joined", "people")[0]


@pytest.fixture(scope="module")
def server() -> Iterator[Demo]:
    with Demo(("wsproto",)) as running:
        yield running
        running.stop()


@pytest.fixture
def visit(server: Demo) -> Iterator[Callable[[], Visitor]]:
    visitors: list[Visitor] = []

    def enter() -> Visitor:
        visitors.append(Visitor(server.port))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.client.stream.close()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room of the test's own."""
    name: str = request.node.name
    return name[-MAX_ROOM:].strip()


def test_who_comes_is_told_who_is_here(visit: Callable[[], Visitor], room: str) -> None:
    ada, grace = visit(), visit()
    assert ada.join(room, "Ada")["people"] == ["Ada"]
    assert grace.join(room, "Grace")["people"] == ["Ada", "Grace"]
    (event,) = ada.hear("people")
    assert (event["people"], event["came"]) == (["Ada", "Grace"], "Grace")


def test_a_message_reaches_everybody_in_the_room_and_nobody_else(
    visit: Callable[[], Visitor], room: str
) -> None:
    ada, grace, other = visit(), visit(), visit()
    ada.join(room, "Ada")
    grace.join(room, "Grace")
    ada.hear("people")
    other.join(f"{room[1:]}!", "Konrad")
    ada.say(type="say", text=" <b>héllo</b> 👋 \ud800 ")
    for visitor in (ada, grace):
        (event,) = visitor.hear("message")
        assert (event["name"], event["text"]) == ("Ada", " <b>héllo</b> 👋 \ud800 ")
        assert isinstance(event["at"], int)
    other.say(type="leave")
    other.hear("left")


@pytest.mark.parametrize("way", ["leave", "close", "vanish", "other room"])
def test_whoever_goes_is_missed(visit: Callable[[], Visitor], room: str, way: str) -> None:
    ada, grace = visit(), visit()
    ada.join(room, "Ada")
    grace.join(room, "Grace")
    ada.hear("people")
    if way == "leave":
        grace.say(type="leave")
        grace.hear("left")
    elif way == "close":
        grace.client.close()
    elif way == "vanish":
        grace.client.stream.vanish()
    else:
        grace.join(f"{room[1:]}!", "Grace")
    (event,) = ada.hear("people")
    assert (event["people"], event["went"]) == (["Ada"], "Grace")


def test_a_name_is_tidied_and_given_once(visit: Callable[[], Visitor], room: str) -> None:
    names = [visit().join(f" {room} ", " Ada \n Lovelace ")["name"] for _ in range(3)]
    assert names == ["Ada Lovelace", "Ada Lovelace 2", "Ada Lovelace 3"]


JOIN = {"type": "join", "room": "x", "name": "x"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({**JOIN, "room": "x" * (MAX_ROOM + 1)}, f"A room has 1 to {MAX_ROOM} characters."),
        ({**JOIN, "room": " \t "}, f"A room has 1 to {MAX_ROOM} characters."),
        ({**JOIN, "name": "x" * (MAX_NAME + 1)}, f"A name has 1 to {MAX_NAME} characters."),
        ({**JOIN, "name": ""}, f"A name has 1 to {MAX_NAME} characters."),
        ({"type": "say", "text": "x"}, "Join a room first."),
        ({"type": "say"}, "Say join (with room and name), say (with text) or leave."),
        ({"type": "say", "text": 5}, "Say join (with room and name), say (with text) or leave."),
        ([], "Say join (with room and name), say (with text) or leave."),
    ],
)
def test_what_makes_no_sense_is_refused(
    visit: Callable[[], Visitor], event: object, expected: str
) -> None:
    visitor = visit()
    visitor.client.send_text(json.dumps(event))
    assert visitor.hear("error")[0]["text"] == expected


@pytest.mark.parametrize("text", ["", "{", "[" * 8000, "1" * 5000])
def test_what_is_no_json_is_refused(visit: Callable[[], Visitor], text: str) -> None:
    visitor = visit()
    visitor.client.send_text(text)
    visitor.hear("error")
    visitor.say(type="leave")
    visitor.hear("left")


@pytest.mark.parametrize(
    ("length", "kind"),
    [(0, "error"), (1, "message"), (MAX_TEXT, "message"), (MAX_TEXT + 1, "error")],
)
def test_the_length_of_a_message(
    visit: Callable[[], Visitor], room: str, length: int, kind: str
) -> None:
    visitor = visit()
    visitor.join(room, "Ada")
    visitor.say(type="say", text="x" * length)
    visitor.hear(kind)


def test_a_message_far_too_long_ends_the_session(visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    visitor.client.send_text("x" * (8 * 1024 + 1))
    visitor.client.expect_failure(1009)


def test_a_binary_message_ends_the_session(visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    visitor.client.send_binary(b"x")
    assert visitor.client.answer_close() == (1003, "Binary messages not supported")
