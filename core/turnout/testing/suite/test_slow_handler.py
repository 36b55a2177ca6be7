"""A handler that does not take its messages: the sender is held back, and nothing is lost."""

from __future__ import annotations

import hashlib
import threading

from turnout.testing.client import Connect
from turnout.testing.commands import ask, read_json
from turnout.testing.frames import BINARY, encode_frame
from turnout.testing.marks import both_colours, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server

MIB = 1024 * 1024
SIZE, COUNT = 64 * 1024, 512  # 32 MiB
HELD_BACK_BY = 24 * MIB  # what the buffers of two sockets and the session may hold at most


@slow
@both_colours
@rule(Row.SLOW_HANDLER, "reading stops at the receive buffer, resumes below it, loses nothing")
def test_sender_is_held_back(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/gated?token={token}", settings={"timeout": 30.0})
    server.events.wait_for(token, "waiting")
    payloads = [number.to_bytes(4, "big") * (SIZE // 4) for number in range(COUNT)]
    frames = b"".join(encode_frame(BINARY, payload, key=b"\0\0\0\0") for payload in payloads)
    taken = client.stream.write_some(frames, timeout=0.5)
    assert taken < HELD_BACK_BY, f"{taken} bytes were taken, and the handler took none"
    ask(connect("/async/act"), "open gate", token=token)
    client.stream.write(frames[taken:])
    client.send_text("sum")
    expected = hashlib.sha256(b"".join(payloads)).hexdigest()
    assert read_json(client) == {"count": COUNT, "digest": expected}


@slow
@both_colours
@rule(Row.SLOW_HANDLER, "many small messages are held back as well as few large ones")
def test_small_messages_are_held_back(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/gated?token={token}", settings={"timeout": 30.0})
    server.events.wait_for(token, "waiting")
    count = 20_000
    frames = encode_frame(BINARY, b"x", key=b"\0\0\0\0") * count
    sender = threading.Thread(target=client.stream.write, args=(frames,))
    sender.start()
    ask(connect("/async/act"), "open gate", token=token)
    sender.join(30)
    client.send_text("sum")
    assert read_json(client)["count"] == count


@slow
@both_colours
@rule(Row.SLOW_HANDLER, "the peer's leaving is noticed while its messages are not taken")
def test_peer_leaves_a_slow_handler(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/gated?token={token}")
    server.events.wait_for(token, "waiting")
    client.send_text("sum")
    client.stream.vanish()
    other = connect("/async/act")
    ask(other, "open gate", token=token)
    assert ask(other, "wait", seconds=0, limit=1) == "slept"
