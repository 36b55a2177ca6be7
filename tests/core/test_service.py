"""The service: who is counted, who answers, and what a drain waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest
from tests.compat.test_ends import LoopConnection
from tests.handshake.conftest import HANDSHAKE, FakeRequest

from turnout import (
    BodyTooLargeError,
    CloseStatus,
    ConnectionClosed,
    HandshakeInterceptor,
    HandshakeRefused,
    RequestUpgradeStrategy,
    ServerHttpResponse,
    ServerSettings,
    Upgrade,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketService,
)
from turnout.headers import HeadersLike
from turnout_compat.asyncio_hosts import TaskHost
from turnout_compat.asyncio_runtime import AsyncioRuntime

DEADLINE = 10.0


class Answer(ServerHttpResponse):
    """A response that notes what was sent, and that can be sent once."""

    def __init__(self, *, gone: bool = False) -> None:
        super().__init__()
        self.statuses: list[int] = []
        self._gone = gone

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        await self.start(status, headers)

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        if self._gone:
            raise ConnectionClosed(CloseStatus(1006))
        assert not self.started, f"{status} after {self.statuses}"
        self.started = True
        self.statuses.append(status)

    async def write(self, data: bytes) -> None:
        raise AssertionError

    async def finish(self) -> None:
        raise AssertionError

    @property
    def disconnected(self) -> bool:
        return self._gone

    async def wait_disconnected(self) -> None:
        raise AssertionError


class Strategy(RequestUpgradeStrategy):
    """Answers 101 and runs the session on a connection of no engine."""

    name: ClassVar[str] = "none"
    runtime: ClassVar[str] = "asyncio"

    def __init__(self) -> None:
        self.connections: list[LoopConnection] = []
        self.prepare: Callable[[LoopConnection], None] = lambda _: None

    async def upgrade(self, request: Any, response: Any, upgrade: Upgrade) -> None:
        await response.start(101)
        self.connections.append(LoopConnection())
        self.prepare(self.connections[-1])
        await self.serve_session(upgrade)

    async def serve_session(self, upgrade: Upgrade) -> None:
        await upgrade.run(self.connections[-1])

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        raise NotImplementedError


class DetachedStrategy(Strategy):
    """Lets the session run by itself."""

    async def serve_session(self, upgrade: Upgrade) -> None:
        await upgrade.start(self.connections[-1])


@pytest.fixture(autouse=True, params=[Strategy, DetachedStrategy])
def strategy_class(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every test see both ways to run a session."""
    monkeypatch.setattr(Site, "strategy_class", request.param)
    return request.param


class Site:
    """A registry, its service, and requests that are handled in tasks of their own."""

    strategy_class: type[Strategy] = Strategy

    def __init__(self, **options: Any) -> None:
        settings = {"close_timeout": 0.02, **options}
        self.registry = WebSocketHandlerRegistry(options=WebSocketOptions(**settings))
        self.strategy = self.strategy_class()
        self.service = WebSocketService(self.registry, self.strategy, AsyncioRuntime())
        self.tasks: list[asyncio.Task[bool]] = []

    def request(self, target: str = "/ws", answer: Answer | None = None, **values: Any) -> Answer:
        """Begin to handle a request; return what will be its answer."""
        answer = answer or Answer()
        request = FakeRequest(values.pop("headers", HANDSHAKE), target=target, **values)
        handling = self.service.handle(request, answer)
        self.tasks.append(asyncio.get_running_loop().create_task(handling))
        return answer

    async def end(self) -> list[Any]:
        """Return the results and errors of all requests."""
        return await asyncio.gather(*self.tasks, return_exceptions=True)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test within the deadline."""

    async def within() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(within())


async def turns(count: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def wait_for_end(session: Any) -> None:
    """Serve until the session is over."""
    await session.wait_closed()


class Gate(HandshakeInterceptor):
    """Holds handshakes before or after the 101 until it is opened."""

    def __init__(self, after: bool = False) -> None:
        self.open = asyncio.Event()
        self.exceptions: list[BaseException | None] = []
        self._after = after

    async def before_handshake(self, *arguments: Any) -> None:
        if not self._after:
            await self.open.wait()

    async def after_handshake(
        self, request: Any, response: Any, handler: Any, exception: Any
    ) -> None:
        self.exceptions.append(exception)
        if self._after:
            await self.open.wait()


# Who answers


class Answers(HandshakeInterceptor):
    """Answers by itself, as a page or a redirect, and returns or raises."""

    def __init__(self, then: Any) -> None:
        self._then = then

    async def before_handshake(self, request: Any, response: Any, *arguments: Any) -> Any:
        await response.send(302, [("Location", "/login")])
        if isinstance(self._then, Exception):
            raise self._then
        return self._then


@pytest.mark.parametrize("then", [False, True, None, HandshakeRefused(401), ValueError("late")])
def test_an_interceptor_that_has_answered_has_refused(then: Any) -> None:
    """Whatever it returns: nothing is sent behind its answer, and no upgrade follows."""

    async def main() -> None:
        site, gate = Site(), Gate()
        gate.open.set()
        site.registry.websocket("/ws", interceptors=[gate, Answers(then)])(wait_for_end)
        answer = site.request()
        assert await site.end() == [True]
        assert answer.statuses == [302]
        assert site.strategy.connections == []
        assert len(gate.exceptions) == 1
        assert gate.exceptions[0] is not None

    run(main)


@pytest.mark.parametrize("refusal", [True, False])
def test_a_client_that_went_is_no_failed_handshake(
    refusal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The adapter is told; no traceback is logged for what happens every day."""

    async def main() -> None:
        site = Site()
        site.registry.websocket("/ws")(wait_for_end)
        headers = HANDSHAKE[:-1] if refusal else HANDSHAKE
        site.request(answer=Answer(gone=True), headers=headers)
        (error,) = await site.end()
        assert isinstance(error, ConnectionClosed)

    run(main)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("error", "statuses"),
    [
        (BodyTooLargeError("too large"), [413]),
        (HandshakeRefused(403), [403]),
        (ValueError("x"), [500]),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_of_an_http_handler(error: Exception, statuses: list[int], begun: bool) -> None:
    """It is answered, unless an answer has begun: then the adapter has to cut it off."""

    async def main() -> None:
        site = Site()

        async def page(request: Any, response: Any) -> None:
            if begun:
                await response.start(200)
            raise error

        site.registry.add_http_handler(page, "/page")
        answer = site.request("/page", headers=())
        (result,) = await site.end()
        assert answer.statuses == ([200] if begun else statuses)
        assert (result is error) is begun

    run(main)


def test_connect_is_no_plain_http() -> None:
    """A 200 would make the connection a tunnel to nowhere."""

    async def main() -> None:
        site = Site()

        async def page(request: Any, response: Any) -> None:
            await response.send(200)

        site.registry.add_http_handler(page, "/page")
        answer = site.request("/page", method="CONNECT")
        await site.end()
        assert answer.statuses == [501]

    run(main)


# Who is counted


def test_a_handshake_counts_until_its_session_does() -> None:
    """There is no moment between them at which one more would be let in."""

    async def main() -> None:
        site, before, after = Site(max_connections=1), Gate(), Gate(after=True)
        site.registry.websocket("/ws", interceptors=[before, after])(wait_for_end)
        first = site.request()
        await turns()
        assert site.request() is not None
        before.open.set()
        await turns()
        assert first.statuses == [101]
        assert after.exceptions == [None]
        second = site.request()
        await turns()
        assert second.statuses == [503]
        after.open.set()
        await turns()
        assert len(site.service) == 1
        third = site.request()
        await turns()
        assert third.statuses == [503]
        await site.service.drain()
        await site.end()

    run(main)


@pytest.mark.parametrize("how", ["refused", "raised", "cancelled", "gone", "run"])
def test_every_end_of_a_handshake_makes_room(how: str) -> None:
    async def main() -> None:
        site, gate = Site(max_connections=1), Gate()

        class Ends(HandshakeInterceptor):
            async def before_handshake(self, *arguments: Any) -> bool:
                if how == "raised":
                    raise ValueError
                return how != "refused"

        site.registry.websocket("/ws", interceptors=[gate, Ends()])(wait_for_end)
        site.request(answer=Answer(gone=how == "gone"))
        await turns()
        if how == "cancelled":
            site.tasks[0].cancel()
        gate.open.set()
        await turns(12)
        if how == "run":
            site.strategy.connections[0].lose()
        await site.end()
        await turns(12)  # a session that runs by itself ends behind its handshake
        second = site.request()
        await turns(12)
        assert second.statuses == [{"refused": 403, "raised": 500}.get(how, 101)]
        await site.service.drain()
        await site.end()

    run(main)


# The end


def test_a_drain_waits_for_handshakes_and_lets_none_through() -> None:
    """One that is under way when the drain begins is refused before its 101."""

    async def main() -> None:
        site, gate = Site(), Gate()
        site.registry.websocket("/ws", interceptors=[gate])(wait_for_end)
        answer = site.request()
        await turns()
        draining = asyncio.get_running_loop().create_task(site.service.drain(DEADLINE))
        await turns()
        assert not draining.done()
        gate.open.set()
        await draining
        assert answer.statuses == [503]
        assert await site.end() == [True]

    run(main)


def test_a_session_that_begins_while_draining_is_closed_like_the_others() -> None:
    """Its 101 was on the wire already."""

    async def main() -> None:
        site, gate = Site(), Gate(after=True)
        site.registry.websocket("/ws", interceptors=[gate])(wait_for_end)
        answer = site.request()
        await turns()
        draining = asyncio.get_running_loop().create_task(
            site.service.drain(DEADLINE, 1012, "restart")
        )
        await turns()
        assert not draining.done()
        gate.open.set()
        await draining
        assert answer.statuses == [101]
        assert site.strategy.connections[0].closes == [CloseStatus(1012, "restart")]
        assert await site.end() == [True]

    run(main)


def test_a_drain_with_a_timeout_cuts_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        site, gate = Site(close_timeout=DEADLINE), Gate()
        site.registry.websocket("/ws")(wait_for_end)
        site.registry.websocket("/stuck", interceptors=[gate])(wait_for_end)
        site.request()
        site.request("/stuck")
        await turns()
        await site.service.drain(0.01)
        assert site.strategy.connections[0].ended == "aborted"
        gate.open.set()
        await site.end()

    run(main)
    assert "did not end while draining" in caplog.text


def test_a_drain_that_is_cancelled_leaves_no_timer_and_may_be_repeated() -> None:
    async def main() -> None:
        site = Site()
        site.registry.websocket("/ws")(wait_for_end)
        site.request()
        await turns()
        draining = asyncio.get_running_loop().create_task(site.service.drain(DEADLINE))
        await turns()
        draining.cancel()
        await asyncio.wait([draining])
        assert draining.cancelled()
        await site.service.drain(DEADLINE)
        assert len(site.service) == 0
        await site.end()

    run(main)


def test_a_session_in_a_task_of_its_own_leaves_the_request_behind() -> None:
    async def main() -> None:
        site = Site()
        site.strategy = DetachedStrategy()
        site.service.strategy = site.strategy
        site.registry.websocket("/ws")(wait_for_end)
        site.request()
        assert await site.end() == [True]
        assert len(site.service) == 1
        await turns()
        site.strategy.connections[0].lose()
        await turns()
        assert len(site.service) == 0
        assert not site.registry.sessions

    run(main)


def test_a_connection_that_cannot_start_is_logged_and_its_handler_told(
    caplog: pytest.LogCaptureFixture, strategy_class: type[Strategy]
) -> None:
    """It is raised to the adapter where one still waits."""

    def fail() -> None:
        raise OSError("no reading")

    async def main() -> None:
        site = Site()
        ends: list[CloseStatus] = []

        async def note(session: Any) -> None:
            ends.append(await session.wait_closed())

        site.registry.websocket("/ws")(note)
        site.strategy.prepare = lambda connection: setattr(connection, "start", fail)
        site.request()
        (result,) = await site.end()
        await turns(12)
        assert isinstance(result, OSError) is (strategy_class is Strategy)
        assert ends == [CloseStatus(1006)]
        assert len(site.service) == 0

    run(main)
    assert "no reading" in caplog.text


def test_a_session_that_cannot_be_started_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a task factory")

    monkeypatch.setattr(TaskHost, "spawn", fail)
    monkeypatch.setattr(TaskHost, "run", fail)

    async def main() -> None:
        site = Site()
        site.registry.websocket("/ws")(wait_for_end)
        site.request()
        (result,) = await site.end()
        assert isinstance(result, RuntimeError)
        assert len(site.service) == 0
        assert site.strategy.connections[0].ended == "aborted"

    run(main)
