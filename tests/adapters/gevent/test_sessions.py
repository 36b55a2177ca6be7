"""What sessions do on gevent that no client can see from outside."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event
import gevent.socket
import pytest
from tests.adapters.pywsgi_host import TIMEOUT

from turnout import TextWebSocketHandler, WebSocketHandlerRegistry, broadcast
from turnout.testing.client import RawClient
from turnout.testing.frames import TEXT, encode_frame
from turnout_adapters.gevent import mount

if TYPE_CHECKING:
    from tests.adapters.gevent.conftest import RunServer


class Busy:
    """Handlers that take a millisecond of the processor for each message."""

    def __init__(self) -> None:
        self.handled = 0

    def work(self) -> None:
        """Compute, without giving way."""
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        self.handled += 1

    def handled_during(self, client: RawClient) -> tuple[bytes, int, int]:
        """Return the reply to a message, how many were handled before it, and how many since."""
        with gevent.socket.socket(fileno=os.dup(client.stream.socket.fileno())) as sock:
            sock.settimeout(TIMEOUT)
            begun = self.handled
            sock.sendall(encode_frame(TEXT, b"me too"))
            return sock.recv(1024), begun, self.handled - begun

    def registry(self) -> WebSocketHandlerRegistry:
        """Return a registry with each shape and colour, and an echo beside them."""
        registry = WebSocketHandlerRegistry()
        work = self.work

        class AsyncCallbacks(TextWebSocketHandler):
            async def handle_text_message(self, session: Any, message: Any) -> None:
                work()

        class PlainCallbacks(TextWebSocketHandler):
            def handle_text_message(self, session: Any, message: Any) -> None:
                work()

        registry.add_handler(AsyncCallbacks(), "/async/callbacks")
        registry.add_handler(PlainCallbacks(), "/plain/callbacks")

        @registry.websocket("/async/stream")
        async def stream(session: Any) -> None:
            async for _ in session:
                work()

        @registry.websocket("/plain/stream")
        def plain_stream(session: Any) -> None:
            for _ in session:
                work()

        @registry.websocket("/echo")
        def echo(session: Any) -> None:
            for message in session:
                session.send(message)

        return registry


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.mark.parametrize("colour", ["async", "plain"])
@pytest.mark.parametrize("shape", ["callbacks", "stream"])
def test_one_busy_client_starves_nobody(
    run_server: RunServer, busy: Busy, colour: str, shape: str
) -> None:
    """Thousands of messages fit into one read, and the handler never waits between them.

    The quiet client is a greenlet of the same hub: a thread of its own would wait for the
    interpreter's lock as well, and that is nothing that a server can share out.
    """
    server = run_server(lambda: mount(None, busy.registry()))
    flooding, quiet = server.connect(f"/{colour}/{shape}"), server.connect("/echo")
    flooding.stream.write(encode_frame(TEXT, b"x") * 5000)
    server.wait_until(lambda: busy.handled > 10)
    reply, before, meanwhile = server.inside(lambda: busy.handled_during(quiet))
    assert reply == b"\x81\x06me too"
    assert meanwhile < 200
    assert before + meanwhile < 5000


def test_replies_to_one_read_leave_in_one_write(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turnout_compat.gevent_transport import GeventTransport

    writes: list[bytes] = []
    write = GeventTransport.write

    def recorded(self: GeventTransport, data: bytes) -> None:
        writes.append(data)
        write(self, data)

    monkeypatch.setattr(GeventTransport, "write", recorded)
    server = run_server(lambda: mount(None, Busy().registry()))
    client = server.connect("/echo")
    client.send_text("the handler waits after this")
    client.read_text()
    writes.clear()
    client.stream.write(b"".join(encode_frame(TEXT, bytes([65 + n])) for n in range(8)))
    assert [client.read_text() for _ in range(8)] == list("ABCDEFGH")
    assert writes == [b"".join(b"\x81\x01" + bytes([65 + n]) for n in range(8))]


@pytest.mark.parametrize("shape", ["callbacks", "stream"])
@pytest.mark.parametrize("colour", ["async", "plain"])
def test_a_handler_takes_what_came_by_one_read_without_a_switch(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch, colour: str, shape: str
) -> None:
    from turnout_compat import gevent_runtime
    from turnout_compat.gevent_hosts import GeventInbox

    # On a busy machine the time slice may be over before all is handled, which is another matter.
    monkeypatch.setattr(gevent_runtime, "SLICE", 60.0)
    handled_at_switches: list[int] = []
    switch = GeventInbox._switch
    busy = Busy()

    def recorded(self: GeventInbox) -> Any:
        handled_at_switches.append(busy.handled)
        return switch(self)

    monkeypatch.setattr(GeventInbox, "_switch", recorded)
    server = run_server(lambda: mount(None, busy.registry()))
    client = server.connect(f"/{colour}/{shape}")
    server.wait_until(lambda: handled_at_switches == [0])
    client.stream.write(encode_frame(TEXT, b"x") * 3)
    server.wait_until(lambda: len(handled_at_switches) > 1)
    assert handled_at_switches == [0, 3]


def test_broadcast_from_a_handler_reaches_all(run_server: RunServer) -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/chat")
    def chat(session: Any) -> None:
        for message in session:
            broadcast(registry.sessions.values(), message.payload)

    server = run_server(lambda: mount(None, registry))
    clients = [server.connect("/chat") for _ in range(20)]
    clients[0].send_text("to all")
    assert [client.read_text() for client in clients] == ["to all"] * 20


def test_a_greenlet_of_the_application_may_use_a_session(run_server: RunServer) -> None:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(TextWebSocketHandler(), "/quiet")
    server = run_server(lambda: mount(None, registry))
    client = server.connect("/quiet")
    server.wait_until(lambda: len(registry.sessions) == 1)
    (session,) = registry.sessions.values()
    server.inside(lambda: session.blocking.send("from a greenlet"))
    session.blocking.send("from another thread")
    assert [client.read_text() for _ in range(2)] == ["from a greenlet", "from another thread"]


def test_a_handler_that_does_not_end_is_killed(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[Any] = []
    registry = WebSocketHandlerRegistry()

    class Stuck(TextWebSocketHandler):
        def handle_text_message(self, session: Any, message: Any) -> None:
            try:
                gevent.event.Event().wait()
            except gevent.GreenletExit as exit_:
                ended.append(type(exit_).__name__)
                raise

        def after_connection_closed(self, session: Any, status: Any) -> None:
            ended.append(status.code)

    registry.add_handler(Stuck(), "/stuck").set_options(close_timeout=0.1)
    server = run_server(lambda: mount(None, registry))
    client = server.connect("/stuck")
    client.send_text("begin")
    client.close(4000)
    server.wait_until(lambda: len(server.turnout.service) == 0)
    assert ended == ["Overdue", 4000]
    assert "was killed: close_timeout" in caplog.text
    assert server.error_log.getvalue() == ""


class TestAsyncio:
    """Handlers that were registered with `async_runtime="asyncio"`."""

    @pytest.fixture
    def registry(self) -> WebSocketHandlerRegistry:
        registry = WebSocketHandlerRegistry()

        @registry.websocket("/gather", async_runtime="asyncio")
        async def gather(session: Any) -> None:
            async for message in session:
                parts = await asyncio.gather(*(asyncio.sleep(0.05, message) for _ in range(3)))
                for part in parts:
                    await session.send(part)

        return registry

    def test_200_of_them_wait_at_once(
        self, run_server: RunServer, registry: WebSocketHandlerRegistry
    ) -> None:
        server = run_server(lambda: mount(None, registry))
        clients = [server.connect("/gather") for _ in range(200)]
        begin = time.monotonic()
        for number, client in enumerate(clients):
            client.send_text(str(number))
        for number, client in enumerate(clients):
            assert [client.read_text() for _ in range(3)] == [str(number)] * 3
        assert time.monotonic() - begin < 8  # one after the other takes ten seconds

    def test_one_that_does_not_end_is_cancelled(
        self, run_server: RunServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        ended: list[Any] = []
        registry = WebSocketHandlerRegistry()

        class Stuck(TextWebSocketHandler):
            async def handle_text_message(self, session: Any, message: Any) -> None:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    ended.append("cancelled")
                    raise

            async def after_connection_closed(self, session: Any, status: Any) -> None:
                await asyncio.sleep(0)
                ended.append(status.code)

        registered = registry.add_handler(Stuck(), "/stuck", async_runtime="asyncio")
        registered.set_options(close_timeout=0.1)
        server = run_server(lambda: mount(None, registry))
        client = server.connect("/stuck")
        client.send_text("begin")
        client.close(4000)
        server.wait_until(lambda: len(server.turnout.service) == 0)
        assert ended == ["cancelled", 4000]
        assert "was cancelled: close_timeout" in caplog.text

    def test_a_handler_of_the_other_kind_may_wake_one(self, run_server: RunServer) -> None:
        """turnout's own primitives join tasks of the loop and greenlets of the hub."""
        from turnout import Queue

        registry = WebSocketHandlerRegistry()
        queue: Queue[str] = Queue(1)

        @registry.websocket("/reader", async_runtime="asyncio")
        async def reader(session: Any) -> None:
            while True:
                await session.send(await queue.get())

        @registry.websocket("/writer")
        async def writer(session: Any) -> None:
            async for message in session:
                await queue.put(message.payload)

        server = run_server(lambda: mount(None, registry))
        reading, writing = server.connect("/reader"), server.connect("/writer")
        for number in range(10):
            writing.send_text(str(number))
        assert [reading.read_text() for _ in range(10)] == [str(n) for n in range(10)]


@pytest.fixture(autouse=True)
def quiet_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Keep warnings for the tests that look for them."""
    caplog.set_level(logging.WARNING)
