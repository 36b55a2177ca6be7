"""What a session knows of its handshake and of itself."""

from __future__ import annotations

from turnout.testing.client import Connect
from turnout.testing.commands import ask
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row


@both_colours
@rule(Row.SESSION, "uri, headers and addresses of the handshake")
def test_facts_of_the_handshake(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act?a=1&b=%20", headers=(("X-Own", "kept"), ("Cookie", "k=v")))
    facts = ask(client, "facts")
    assert facts["uri"] == f"http://{client.host}/{colour}/act?a=1&b=%20"
    assert facts["headers"]["x-own"] == "kept"
    assert facts["headers"]["cookie"] == "k=v"
    assert facts["remote_address"] == list(client.stream.socket.getsockname()[:2])
    assert facts["local_address"] == list(client.stream.socket.getpeername()[:2])


@both_colours
@rule(Row.SESSION, "state, limits, extensions and the engine's own object")
def test_facts_of_the_session(connect: Connect, colour: str) -> None:
    facts = ask(connect(f"/{colour}/act"), "facts")
    assert (facts["state"], facts["is_open"]) == ("open", True)
    assert facts["text_message_size_limit"] == 1024 * 1024
    assert facts["binary_message_size_limit"] == 1024 * 1024
    assert facts["extensions"] == []
    assert facts["principal"] is None
    assert facts["has_native"]


@both_colours
@rule(Row.SESSION, "ids are unique and cannot be guessed")
def test_ids(connect: Connect, colour: str) -> None:
    ids = {ask(connect(f"/{colour}/act"), "facts")["id"] for _ in range(20)}
    assert len(ids) == 20
    assert min(map(len, ids)) >= 22  # 128 bits in the densest usual alphabet
    assert len({one[:8] for one in ids}) == 20


@both_colours
@rule(Row.SESSION, "path templates fill path variables, percent-decoded")
def test_path_variables(connect: Connect, colour: str) -> None:
    room = ask(connect(f"/{colour}/rooms/caf%C3%A9%20bar"), "facts")["path_variables"]
    assert room == {"room": "café bar"}
    rest = ask(connect(f"/{colour}/files/a/b/c"), "facts")["path_variables"]
    assert rest == {"rest": "a/b/c"}


@rule(Row.SESSION, "a variable is one segment: another slash is another path")
def test_variable_is_one_segment(connect: Connect) -> None:
    assert connect().handshake("/async/rooms/a/b").status == 404
