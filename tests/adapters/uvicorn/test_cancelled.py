"""Applications that are cancelled or watched, and what a session leaves that ends or fails."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.adapters.uvicorn.running import STANDARD, RunningUvicorn

from turnout import HandshakeInterceptor, WebSocketHandlerRegistry, WebSocketOptions
from turnout.testing.client import RawClient
from turnout_adapters.asgi import mount
from turnout_compat.asgi_frames import Frames, offer_frames

Run = Callable[..., RunningUvicorn]
Receive = Callable[[], Awaitable[Any]]
TIMEOUT = 10.0
GUARDED = [f"turnout_compat.uvicorn_frames:Guarded{name}Protocol" for name in ("Sansio", "Wsproto")]


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing: the applications here have no other paths."""


def echo_registry(*interceptors: HandshakeInterceptor) -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/echo", interceptors=interceptors)
    async def echo(session: Any) -> None:
        async for message in session:
            await session.send(message)

    return registry


class Cancellable:
    """Notes the task of each call, and when one ends; `around` stands before `receive`."""

    def __init__(self, around: Callable[[Receive], Receive]) -> None:
        self.app = mount(nothing, echo_registry(), http_only=True)
        self.around = around
        self.tasks: list[asyncio.Task[Any]] = []
        self.ended = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        try:
            await self.app(scope, self.around(receive), send)
        except asyncio.CancelledError:
            pass  # uvicorn need not know
        finally:
            self.ended.set()


def in_one_task(receive: Receive) -> Receive:
    """Keep one task for the next event: cancelling who waits for it, cancels that."""
    coming: asyncio.Future[Any] | None = None

    async def shared() -> Any:
        nonlocal coming
        if coming is None or (coming.done() and not coming.cancelled()):
            coming = asyncio.ensure_future(receive())
        return await coming

    return shared


def without_an_end(receive: Receive) -> Receive:
    """Tell nobody that the client has gone."""

    async def endless() -> Any:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            await asyncio.get_running_loop().create_future()
        return event

    return endless


def check_echo(client: RawClient) -> None:
    client.send_text("here")
    assert client.read_text() == "here"


@pytest.mark.parametrize("implementation", GUARDED)
def test_a_receive_that_stays_cancelled_holds_nobody_up(run: Run, implementation: str) -> None:
    application = Cancellable(in_one_task)
    running = run(application, ws=implementation)
    other, client = running.connect("/echo"), running.connect("/echo")
    check_echo(client)  # so somebody waits for an event
    running.loop.call_soon_threadsafe(application.tasks[1].cancel)
    assert client.read_close().code == 1001
    assert application.ended.wait(TIMEOUT)
    check_echo(other)


@pytest.mark.parametrize("implementation", GUARDED)
def test_a_second_cancellation_ends_the_wait_for_the_host(run: Run, implementation: str) -> None:
    application = Cancellable(without_an_end)
    running = run(application, ws=implementation)
    client = running.connect("/echo")
    check_echo(client)
    running.loop.call_soon_threadsafe(application.tasks[0].cancel)
    assert client.read_close().code == 1001
    client.send_close(1001)
    client.expect_end()
    deadline = time.monotonic() + TIMEOUT
    while not application.ended.wait(0.05):  # the session may still be on its way to its end
        assert time.monotonic() < deadline
        running.loop.call_soon_threadsafe(application.tasks[0].cancel)


@pytest.mark.parametrize("implementation", [*GUARDED, STANDARD])
def test_a_middleware_sees_the_handshake_and_the_end(run: Run, implementation: str) -> None:
    kinds: list[str] = []

    def seen(receive: Receive) -> Receive:
        async def noting() -> Any:
            event = await receive()
            kinds.append(event["type"])
            return event

        return noting

    application = Cancellable(seen)
    client = run(application, ws=implementation).connect("/echo")
    check_echo(client)
    client.send_close(1000)
    client.read_close()
    assert application.ended.wait(TIMEOUT)
    end = [] if implementation == STANDARD else ["websocket.disconnect"]
    assert kinds == ["websocket.connect", *end]


class Watching(HandshakeInterceptor):
    """Waits for the client's going from the handshake on."""

    def __init__(self) -> None:
        self.watches: list[asyncio.Task[None]] = []
        self.ended = threading.Event()

    async def before_handshake(
        self, request: Any, response: Any, handler: Any, attributes: Any
    ) -> bool:
        watch = asyncio.ensure_future(response.wait_disconnected())
        watch.add_done_callback(lambda _: self.ended.set())
        self.watches.append(watch)
        await asyncio.sleep(0)  # it begins
        return True

    async def after_handshake(
        self, request: Any, response: Any, handler: Any, exception: Any
    ) -> None:
        await self.before_handshake(request, response, handler, {})


@pytest.mark.parametrize("implementation", [*GUARDED, STANDARD])
def test_who_watches_for_the_clients_going_takes_no_message(run: Run, implementation: str) -> None:
    watching = Watching()
    app = mount(nothing, echo_registry(watching), http_only=True)
    client = run(app, ws=implementation).connect("/echo")
    for number in range(5):
        client.send_text(str(number))
        assert client.read_text() == str(number)
    assert not watching.ended.is_set()
    client.stream.close()
    assert watching.ended.wait(TIMEOUT)


class Host(Frames):
    """Has events to give, one by one, and counts what it has given."""

    def __init__(self) -> None:
        self.events: list[Any] = [{"type": "websocket.connect"}]
        self.events += [{"type": "websocket.receive", "text": "x" * 200}] * 20
        self.given = 0
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/slow",
            "headers": [(b"host", b"localhost")],
        }
        offer_frames(self.scope, self)

    async def receive(self) -> Any:
        self.given += 1
        return self.events[self.given - 1]

    async def send(self, event: Any) -> None:
        """Take it."""

    def begin(self, connection: Any) -> None:
        """Hold nothing back."""

    async def ping(self, payload: bytes) -> None:
        """Take it."""

    async def pong(self, payload: bytes) -> None:
        """Take it."""

    async def write(self, frame: bytes) -> None:
        """Take it."""

    async def end(self) -> None:
        """Be at the end."""

    def abort(self) -> None:
        """Be at the end."""


def test_a_cancellation_takes_no_event_past_the_pause() -> None:
    async def main() -> None:
        registry = WebSocketHandlerRegistry(options=WebSocketOptions(receive_buffer=100))
        released = asyncio.Event()

        @registry.websocket("/slow")
        async def slow(session: Any) -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        host = Host()
        application = mount(nothing, registry, http_only=True)
        serving = asyncio.ensure_future(application(host.scope, host.receive, host.send))
        await turns()
        given = host.given
        assert 1 < given < len(host.events)
        for _ in range(3):
            serving.cancel()
            await turns()
        assert host.given == given
        released.set()
        serving.cancel()
        await turns()

    asyncio.run(asyncio.wait_for(main(), TIMEOUT))


class Keeping(HandshakeInterceptor):
    """Keeps the response for ever."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def before_handshake(
        self, request: Any, response: Any, handler: Any, attributes: Any
    ) -> bool:
        self.kept.append(response)
        return True


def test_a_response_that_is_kept_keeps_no_session() -> None:
    sessions: list[weakref.ref[Any]] = []
    registry = WebSocketHandlerRegistry()
    keeping = Keeping()

    @registry.websocket("/slow", interceptors=[keeping])
    async def noting(session: Any) -> None:
        sessions.append(weakref.ref(session))
        async for _ in session:
            pass

    async def main() -> None:
        host = Host()
        host.events[1:] = [{"type": "websocket.disconnect", "code": 1006}]
        await mount(nothing, registry, http_only=True)(host.scope, host.receive, host.send)

    asyncio.run(asyncio.wait_for(main(), TIMEOUT))
    gc.collect()
    assert len(keeping.kept) == len(sessions) == 1
    assert sessions[0]() is None


@pytest.mark.parametrize("has_frames", [True, False])
def test_a_session_that_cannot_begin_is_the_only_error(
    monkeypatch: pytest.MonkeyPatch, has_frames: bool
) -> None:
    errors: list[Any] = []

    def fail(*arguments: Any) -> None:
        raise RuntimeError("no session")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: errors.append(told))
        host = Host()
        host.scope["path"] = "/echo"
        if not has_frames:
            del host.scope["extensions"]
        application = mount(nothing, echo_registry(), http_only=True)
        monkeypatch.setattr(application.service, "start_session", fail)
        with pytest.raises(RuntimeError, match="no session"):
            await application(host.scope, host.receive, host.send)
        await turns()

    asyncio.run(asyncio.wait_for(main(), TIMEOUT))
    assert errors == []


async def turns() -> None:
    """Let the loop do what is to be done now."""
    for _ in range(20):
        await asyncio.sleep(0)
