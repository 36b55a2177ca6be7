"""The sockets of another owner in this process: found, held, cut, and no descriptor kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from turnout.testing.frames import CLOSE, TEXT, encode_frame
from turnout_compat import granian_sockets, open_sockets
from turnout_compat.granian_sockets import HeldConnection

DEADLINE = 20.0
LOOPBACK = "127.0.0.1"


class Pair(NamedTuple):
    """A connection: the client, and the accepted socket that stands for granian's."""

    client: socket.socket
    accepted: socket.socket

    @property
    def remote(self) -> tuple[str, int]:
        host, port = self.client.getsockname()
        return host, port

    @property
    def local(self) -> tuple[str, int]:
        host, port = self.client.getpeername()
        return host, port

    def hold(self) -> HeldConnection:
        held = granian_sockets.hold(self.local, self.remote, time.monotonic())
        assert held is not None
        return held


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def listener(opened: contextlib.ExitStack) -> socket.socket:
    return opened.enter_context(socket.create_server((LOOPBACK, 0)))


@pytest.fixture
def pair(opened: contextlib.ExitStack, listener: socket.socket) -> Pair:
    return connect(opened, listener)


def connect(opened: contextlib.ExitStack, listener: socket.socket) -> Pair:
    client = opened.enter_context(socket.create_connection(listener.getsockname(), DEADLINE))
    accepted = opened.enter_context(listener.accept()[0])
    accepted.setblocking(False)
    return Pair(client, accepted)


def run_until_peer_ends(accepted: socket.socket) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await granian_sockets.until_peer_ends(accepted)

    asyncio.run(bounded())


def descriptors() -> set[str]:
    return {one.name for one in Path("/dev/fd").iterdir() if one.exists()}


def test_a_held_connection_outlives_its_owner(pair: Pair) -> None:
    held = pair.hold()
    assert held.descriptor == pair.accepted.fileno()
    pair.accepted.close()
    with held.socket:
        pair.client.sendall(b"still here")
        held.socket.settimeout(DEADLINE)
        assert held.socket.recv(100) == b"still here"


def test_the_connection_with_that_peer_is_held(
    opened: contextlib.ExitStack, listener: socket.socket
) -> None:
    pairs = [connect(opened, listener) for _ in range(5)]
    for pair in pairs:
        with (held := pair.hold()).socket:
            assert held.descriptor == pair.accepted.fileno()


def test_a_server_at_every_address(opened: contextlib.ExitStack, listener: socket.socket) -> None:
    pair = connect(opened, listener)
    held = granian_sockets.hold(("0.0.0.0", pair.local[1]), pair.remote, time.monotonic())
    assert held is not None
    held.socket.close()


def test_a_descriptor_that_has_become_another_connections(
    opened: contextlib.ExitStack, listener: socket.socket
) -> None:
    first = connect(opened, listener)
    first.hold().socket.close()
    other = connect(opened, listener)
    os.dup2(other.accepted.fileno(), first.accepted.fileno())  # as when its number is used anew
    other.accepted.close()
    assert granian_sockets.hold(first.local, first.remote, time.monotonic()) is None
    with (held := other.hold()).socket:
        assert held.descriptor == first.accepted.fileno()


def test_a_connection_that_its_peer_has_reset(pair: Pair) -> None:
    local, remote = pair.local, pair.remote
    pair.hold().socket.close()
    before = descriptors()
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.client.close()
    pair.accepted.settimeout(DEADLINE)
    with pytest.raises(ConnectionResetError):
        pair.accepted.recv(1)
    assert granian_sockets.hold(local, remote, time.monotonic()) is None
    assert len(descriptors()) == len(before) - 1


@pytest.mark.parametrize("look", ["hold", "cut_all", "until_released"])
def test_no_descriptor_is_kept(
    opened: contextlib.ExitStack, pair: Pair, tmp_path: Path, look: str
) -> None:
    for end in os.pipe():
        opened.callback(os.close, end)
    opened.enter_context((tmp_path / "file").open("w"))
    nowhere = (LOOPBACK, 1)
    before = descriptors()
    for _ in range(3):
        if look == "hold":
            assert granian_sockets.hold(pair.local, nowhere, time.monotonic()) is None
        elif look == "cut_all":
            granian_sockets.cut_all(pair.local)
        else:
            asyncio.run(granian_sockets.until_released(nowhere, DEADLINE))
    assert descriptors() == before


def test_cut_reaches_the_peer(pair: Pair) -> None:
    granian_sockets.cut_all(pair.local)
    assert pair.client.recv(1) == b""


def test_one_look_finds_all_that_were_there(
    opened: contextlib.ExitStack, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [connect(opened, listener) for _ in range(5)]
    since = time.monotonic()
    looks = []

    def look() -> Iterator[int]:
        looks.append(1)
        return open_sockets.descriptors()

    monkeypatch.setattr(granian_sockets, "descriptors", look)
    for pair in pairs:
        held = granian_sockets.hold(pair.local, pair.remote, since)
        assert held is not None
        held.socket.close()
    assert granian_sockets.hold(pairs[0].local, (LOOPBACK, 1), since) is None
    assert len(looks) == 1


def test_unix_peers_are_not_told_apart() -> None:
    assert granian_sockets.hold("/some/path", "", 0.0) is None


def test_no_copy_of_a_listener_takes_clients(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.socket(fileno=os.dup(listener.fileno())) as copy:
        granian_sockets.stop_listening([listener])
        with pytest.raises(ConnectionRefusedError), socket.create_connection(address, DEADLINE):
            pass
        with pytest.raises(BlockingIOError):
            copy.accept()


def test_accepting_is_told_by_a_connection(listener: socket.socket) -> None:
    listener.setblocking(False)

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(granian_sockets.until_accepting(listener.getsockname()))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        accepted, _ = await asyncio.wait_for(loop.sock_accept(listener), DEADLINE)
        with accepted:
            await asyncio.wait_for(waiting, DEADLINE)

    asyncio.run(wait())


def test_release_is_told_by_the_owners_descriptor(pair: Pair) -> None:
    async def wait() -> None:
        with (held := pair.hold()).socket:
            waiting = asyncio.create_task(held.until_released())
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done
            pair.accepted.close()
            await asyncio.wait_for(waiting, DEADLINE)

    asyncio.run(wait())


def test_until_the_peers_close_frame(pair: Pair) -> None:
    pair.client.sendall(encode_frame(TEXT, b"in flight") * 5_000)
    pair.client.sendall(encode_frame(CLOSE, b"\x0f\xa1bye"))
    run_until_peer_ends(pair.accepted)
    assert pair.client.recv(1) == b""  # our direction has ended, and without a reset


@pytest.mark.parametrize("is_reset", [False, True])
def test_until_the_peers_end(pair: Pair, is_reset: bool) -> None:
    pair.client.sendall(encode_frame(TEXT, b"no close frame"))
    if is_reset:
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.client.close()
    run_until_peer_ends(pair.accepted)


def test_what_only_looks_like_a_close_frame_at_its_begin(pair: Pair) -> None:
    pair.client.sendall(encode_frame(CLOSE, b"\x0f\xa1bye")[:-1])

    async def wait() -> None:
        waiting = asyncio.create_task(granian_sockets.until_peer_ends(pair.accepted))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        pair.client.close()
        await asyncio.wait_for(waiting, DEADLINE)

    asyncio.run(wait())
