"""Many senders and many receivers."""

from __future__ import annotations

from collections import Counter

from turnout.testing.client import Connect
from turnout.testing.commands import ask, command
from turnout.testing.deflating import OFFER, inflate
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row


@both_colours
@rule(Row.SENDS, "messages of concurrent senders are never mixed, and none is lost")
def test_concurrent_senders(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    senders, count, size = 5, 4, 50_000
    command(client, "send at once", senders=senders, count=count, size=size)
    letters: Counter[str] = Counter()
    for _ in range(senders * count):
        text = client.read_text()
        assert text == text[0] * size
        letters[text[0]] += 1
    assert letters == dict.fromkeys("abcde", count)
    assert client.read_text() == '"done"'


@both_colours
@rule(Row.SENDS, "broadcast reaches every session of the group, and no other")
def test_broadcast(connect: Connect, colour: str, token: str) -> None:
    members = [connect(f"/{colour}/rooms/{token}") for _ in range(5)]
    stranger = connect(f"/{colour}/rooms/other")
    assert ask(stranger, "facts")["is_open"]
    for member in members:
        assert ask(member, "facts")["path_variables"] == {"room": token}
    command(members[0], "broadcast", room=token, text="to all")
    assert [member.read_text() for member in members] == ["to all"] * 5
    assert members[0].read_text() == "5"
    assert not stranger.stream.has_data(timeout=0.1)


@requires("deflate")
@both_colours
@rule(Row.SENDS, "broadcast reaches compressed and uncompressed connections alike")
def test_broadcast_to_compressed_connections(connect: Connect, colour: str, token: str) -> None:
    target = f"/{colour}/deflate/rooms/{token}"
    sender = connect(target)
    receivers = [
        connect(target, extensions=f"{OFFER}; server_no_context_takeover") for _ in range(2)
    ]
    for receiver in receivers:  # it belongs to the group once its handler answers
        command(receiver, "facts")
        receiver.read_message()
    for number in range(3):
        text = f"message {number} " * 100
        command(sender, "broadcast", room=token, text=text)
        assert sender.read_text() == text
        assert sender.read_text() == "3"
        for receiver in receivers:
            message = receiver.read_message()
            assert message.rsv1
            assert inflate(message.payload) == text.encode()


@both_colours
@rule(Row.SENDS, "a message is sent to a session by its id; a wrong id is no error")
def test_send_by_id(connect: Connect, colour: str) -> None:
    one, other = connect(f"/{colour}/act"), connect(f"/{colour}/act")
    receiver = ask(other, "facts")["id"]
    assert ask(one, "send to", session_id=receiver, text="for you") is True
    assert other.read_text() == "for you"
    assert ask(one, "send to", session_id="nobody", text="for nobody") is False
