"""The transport over an `IOStream`: order and bounds, on both kinds of stream that it drives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.iostream import IOStream

from turnout_adapters.tornado.stream import (
    HIGH_WATER,
    LOW_WATER,
    Backlog,
    IOStreamTransport,
)
from turnout_compat.tornado_stream import read_ahead_once


class Recorder:
    """What a transport calls, written down."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.events: list[str] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.on_data: Callable[[], None] = lambda: None

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.on_data()

    def eof_received(self) -> object:
        raise AssertionError("an IOStream knows no half-closed connection")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[IOStreamTransport, Recorder, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream, recorder = IOStream(ours), Recorder()
    transport = IOStreamTransport(stream, None)
    transport.attach(recorder)
    try:
        yield transport, recorder, theirs
    finally:
        stream.close()
        theirs.close()


def run(test: Callable[[], Any]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(within_time())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # each turn of the loop is looked at
        await asyncio.sleep(0)


def test_nothing_is_delivered_while_paused_and_all_in_order_after() -> None:
    async def test() -> None:
        async with connected() as (transport, recorder, peer):
            numbers = b"".join(n.to_bytes(4, "big") for n in range(50_000))

            def toggle() -> None:
                transport.pause_reading()
                transport.resume_reading()
                transport.pause_reading()
                asyncio.get_running_loop().call_soon(transport.resume_reading)

            recorder.on_data = toggle
            await asyncio.get_running_loop().sock_sendall(peer, numbers[:1000])
            await until(lambda: bool(recorder.received))
            sending = asyncio.create_task(
                asyncio.get_running_loop().sock_sendall(peer, numbers[1000:])
            )
            await until(lambda: len(recorder.received) == len(numbers))
            await sending
            assert bytes(recorder.received) == numbers

    run(test)


def test_paused_transport_keeps_what_arrived() -> None:
    async def test() -> None:
        async with connected() as (transport, recorder, peer):
            transport.pause_reading()
            peer.send(b"early")
            for _ in range(20):
                await asyncio.sleep(0)
            assert not recorder.received
            transport.resume_reading()
            await until(lambda: recorder.received == b"early")

    run(test)


def test_writing_is_paused_over_the_high_and_resumed_under_the_low_water_mark() -> None:
    async def test() -> None:
        async with connected() as (transport, recorder, peer):
            sent = 0
            while recorder.events != ["pause"]:
                transport.write(bytes(16_384))
                sent += 16_384
            received = 0
            while received < sent:
                received += len(await asyncio.get_running_loop().sock_recv(peer, 65_536))
            await until(lambda: recorder.events == ["pause", "resume"])

    run(test)


def test_close_comes_after_what_was_written_and_drops_what_follows() -> None:
    async def test() -> None:
        async with connected() as (transport, recorder, peer):
            transport.write(bytes(2_000_000))
            transport.close()
            transport.write(b"too late")
            received = bytearray()
            while piece := await asyncio.get_running_loop().sock_recv(peer, 65_536):
                received += piece
            assert received == bytes(2_000_000)
            assert await recorder.lost is None

    run(test)


def test_peer_that_resets_while_much_is_waiting() -> None:
    async def test() -> None:
        async with connected() as (transport, recorder, peer):
            transport.write(bytes(2_000_000))
            transport.close()
            peer.close()
            assert isinstance(await recorder.lost, OSError)
            transport.write(b"to nobody")
            transport.write_eof()
            transport.resume_reading()

    run(test)


def test_protocol_that_fails_ends_the_connection() -> None:
    async def test() -> None:
        async with connected() as (_, recorder, peer):
            failures: list[Any] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: failures.append(context["exception"]))

            def fail() -> None:
                raise RuntimeError("a bug")

            recorder.on_data = fail
            peer.send(b"data")
            await recorder.lost
            assert [str(failure) for failure in failures] == ["a bug"]

    run(test)


def test_backlog_counts_what_is_not_taken() -> None:
    async def test() -> None:
        events: list[str] = []
        backlog = Backlog(lambda: events.append("pause"), lambda: events.append("resume"))
        loop = asyncio.get_running_loop()
        writes: list[asyncio.Future[None]] = [loop.create_future() for _ in range(3)]
        backlog.add(writes[0], HIGH_WATER)
        assert not events
        backlog.add(writes[1], 1)
        backlog.add(writes[2], LOW_WATER)
        assert events == ["pause"]
        writes[0].set_result(None)
        backlog.when_empty(lambda: events.append("empty"))
        await asyncio.sleep(0)
        assert events == ["pause"]
        for write in writes[1:]:
            write.set_result(None)
        await asyncio.sleep(0)
        assert events == ["pause", "resume", "empty"]
        assert backlog.size == 0

    run(test)


@pytest.mark.parametrize("failed", [True, False], ids=["failed", "cancelled"])
def test_backlog_of_a_stream_that_is_closed_resumes_nothing(failed: bool) -> None:
    async def test() -> None:
        events: list[str] = []
        backlog = Backlog(lambda: events.append("pause"), lambda: events.append("resume"))
        write: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        backlog.add(write, HIGH_WATER + 1)
        if failed:
            write.set_exception(OSError("reset"))
        else:
            write.cancel()
        await asyncio.sleep(0)
        assert events == ["pause"]

    run(test)


@pytest.mark.parametrize("once", [True, False])
def test_an_idle_stream_with_an_end_behind_the_last_frame(once: bool) -> None:
    """Left alone, Tornado closes it before the frame was read."""

    async def test() -> None:
        ours, theirs = socket.socketpair()
        stream = IOStream(ours)
        head = stream.read_until(b"\r\n\r\n", max_bytes=65_536)
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        await head
        if once:
            read_ahead_once(stream)
        stream.set_close_callback(lambda: None)
        await stream.write(b"101")  # from here on it looks whether the peer is there
        with theirs:
            theirs.sendall(b"frame")
            theirs.shutdown(socket.SHUT_WR)
            if once:
                await until(lambda: stream._read_buffer_size > 0)
            else:
                await until(stream.closed)
            assert await stream.read_bytes(5) == b"frame"
            assert stream.closed() is not once
        stream.close()

    run(test)
