"""A peer that does not read, or reads slowly: limits of time and of buffer."""

from __future__ import annotations

import json
from typing import Any

from turnout.capabilities import Capabilities
from turnout.testing.bystander import check_answered
from turnout.testing.client import Connect, RawClient
from turnout.testing.frames import CLOSE
from turnout.testing.marks import both_colours, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server

NARROW: dict[str, Any] = {"receive_buffer": 4096, "timeout": 20.0}
SIZE, COUNT = 100_000, 200  # 20 MB: more than the buffers of two sockets and the session hold


def read_numbers(client: RawClient) -> tuple[list[int], int | None]:
    """Read numbered messages to the end; return the numbers and the close code, if one came."""
    numbers: list[int] = []
    while True:
        try:
            frame = client.read_data_frame()
        except ConnectionError:
            return numbers, None
        if frame.opcode == CLOSE:
            return numbers, int.from_bytes(frame.payload[:2], "big")
        numbers.append(int(frame.payload[:8]))


@slow
@both_colours
@rule(Row.SLOW_CONSUMER, "a send that is not taken within send_timeout ends the session with 4500")
def test_send_timeout(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/flood?token={token}", settings=NARROW)
    event = server.events.wait_for(token, "flooded")[0]
    assert (event["error"], event["code"]) == ("SessionLimitExceeded", 4500)
    assert event["sent"] * 16384 < 32 * 1024 * 1024
    client.stream.vanish()


@slow
@both_colours
@rule(Row.SLOW_CONSUMER, "a peer that reads, however slowly, is not cut by send_timeout")
def test_slow_but_steady_reader(
    server: Server, connect: Connect, colour: str, token: str, capabilities: Capabilities
) -> None:
    client = connect(f"/{colour}/flood?token={token}", settings=NARROW)
    for _ in range(200):
        client.read_binary()
    assert not server.events.of(token, "flooded")
    client.stream.vanish()
    told = {1006} if capabilities.close_details else {1005, 1006}
    assert server.events.wait_for(token, "flooded")[0]["code"] in told


@slow
@both_colours
@rule(Row.SLOW_CONSUMER, "TERMINATE: what overflows send_buffer ends the session with 4500")
def test_overflow_terminates(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/overflow/terminate?token={token}", settings=NARROW)
    client.send_text(json.dumps({"count": COUNT, "size": SIZE}))
    event = server.events.wait_for(token, "overflowed")[0]
    assert event["code"] == 4500
    numbers, code = read_numbers(client)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < COUNT
    assert code in (None, 4500)


@slow
@both_colours
@rule(Row.SLOW_CONSUMER, "DROP: the oldest messages are dropped, memory is bounded, it goes on")
def test_overflow_drops_the_oldest(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/overflow/drop?token={token}", settings=NARROW)
    size, count = 10_000, 2000  # six of them fit into the buffer
    client.send_text(json.dumps({"count": count, "size": size}))
    event = server.events.wait_for(token, "posted")[0]
    assert event["waiting"] <= 65536 + 2 * size
    check_answered(connect("/async/echo"))  # what a thread has posted has had its turn
    numbers = [int(client.read_text()[:8])]
    while numbers[-1] != count - 1:
        numbers.append(int(client.read_text()[:8]))
    assert numbers == sorted(set(numbers))
    assert len(numbers) < count
    assert numbers[-5:] == list(range(count - 5, count))
    client.send_text(json.dumps({"count": 1, "size": 1}))
    assert client.read_text() == "00000000x"


@slow
@both_colours
@rule(Row.SLOW_CONSUMER, "a slow consumer holds no other connection back")
def test_others_are_not_held_back(connect: Connect, colour: str) -> None:
    stuck = connect(f"/{colour}/overflow/drop", settings=NARROW)
    stuck.send_text(json.dumps({"count": COUNT, "size": SIZE}))
    other = connect(f"/{colour}/echo")
    for number in range(100):
        other.send_text(str(number))
        assert other.read_text() == str(number)
