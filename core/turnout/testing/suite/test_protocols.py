"""Sub-protocols (RFC 6455 section 1.9)."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import ask
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row


@both_colours
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("chat.v1", "chat.v1"),
        ("chat.v1, chat.v2", "chat.v1"),
        ("chat.v2,chat.v1", "chat.v2"),
        ("other,  CHAT.V2 ", "CHAT.V2"),
    ],
)
@rule(Row.PROTOCOLS, "the client's order decides, and the client's spelling is returned")
def test_chosen_protocol(connect: Connect, colour: str, offered: str, chosen: str) -> None:
    client = connect()
    assert (
        client.open(f"/{colour}/protocols", protocols=offered).headers["Sec-WebSocket-Protocol"]
        == chosen
    )
    assert ask(client, "facts")["accepted_protocol"] == chosen


@rule(Row.PROTOCOLS, "a repeated Sec-WebSocket-Protocol header is one list (RFC 6455 §11.3.4)")
def test_protocols_in_two_lines(connect: Connect) -> None:
    headers = (("Sec-WebSocket-Protocol", "chat.v2"),)
    response = connect().handshake("/async/protocols", protocols="other", headers=headers)
    assert response.headers["Sec-WebSocket-Protocol"] == "chat.v2"


@both_colours
@rule(Row.PROTOCOLS, "none in common: accepted without one, never with one that was not offered")
def test_no_protocol_in_common(connect: Connect, colour: str) -> None:
    client = connect()
    response = client.open(f"/{colour}/protocols", protocols="other, another")
    assert "Sec-WebSocket-Protocol" not in response.headers
    assert ask(client, "facts")["accepted_protocol"] is None


@rule(Row.PROTOCOLS, "a handler without sub-protocols picks none of those offered")
def test_handler_without_protocols(connect: Connect) -> None:
    response = connect().handshake("/async/echo", protocols="chat.v1")
    assert response.status == 101
    assert "Sec-WebSocket-Protocol" not in response.headers


@both_colours
@rule(Row.PROTOCOLS, "none in common where one is required → 400")
def test_required_protocol(connect: Connect, colour: str) -> None:
    for offered in (None, "other, another"):
        refused = connect().handshake(f"/{colour}/protocols/required", protocols=offered)
        assert refused.status == 400
    client = connect()
    client.open(f"/{colour}/protocols/required", protocols="other, chat.v1")
    assert ask(client, "facts")["accepted_protocol"] == "chat.v1"
