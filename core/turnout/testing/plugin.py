"""The pytest plugin of the conformance suite: `pytest -p turnout.testing.plugin --engine NAME`.

It brings the options, the fixtures and the report. The suite's modules load it by themselves, so
a test module needs `from turnout.testing.suite import *` and nothing else; it then names its
engine in a variable `ENGINE` (and `STRATEGY`, where it has several), or the command line does.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from turnout.testing.expectations import Unmet
from turnout.testing.marks import marks_of
from turnout.testing.reporting import EndError, Reporting, rule_of
from turnout.testing.selection import is_chosen

if TYPE_CHECKING:
    from turnout.capabilities import Capabilities
    from turnout.strategy import RequestUpgradeStrategy
    from turnout.testing.certificates import Certificate
    from turnout.testing.client import RawClient
    from turnout.testing.server import Server, ServerCommand

__all__ = [
    "capabilities",
    "certificate",
    "connect",
    "engine",
    "server",
    "server_command",
    "socket_path",
    "start_server",
    "strategy",
    "token",
]

MARKS = (
    "rule(row, text): the row of the contract that a test belongs to, and the rule it holds",
    "requires(*capabilities): the test is declared away where the engine declares one of them away",
    "slow: takes seconds rather than milliseconds",
)
REPORTING = pytest.StashKey[Reporting]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("turnout", "conformance of WebSocket engines")
    group.addoption("--engine", help="the engine to test, as in `turnout serve --engine`")
    group.addoption("--strategy", help="native or standard, where the engine has both")
    group.addoption("--report", type=Path, metavar="FILE", help="write the results as JSON")
    group.addoption(
        "--subject", metavar="MODULE:ATTR", help="serve this registry in place of the suite's own"
    )
    group.addoption(
        "--turnout-only", action="append", default=[], metavar="NAME", help="run these only"
    )
    group.addoption(
        "--turnout-watch",
        action="store_true",
        help="replace a server that no longer answers, and end early when nothing can pass",
    )
    group.addoption(
        "--turnout-progress", type=int, metavar="FD", help="write a line of JSON for each test"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and begin the report."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    config.stash[REPORTING] = reporting = Reporting(config)
    config.pluginmanager.register(reporting, "turnout-reporting")
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # the servers are to end with the run
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # a thousand connections need a file descriptor each, at both ends
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test of the suite its marks."""
    for name, args, kwargs in marks_of(getattr(item, "function", None)):
        item.add_marker(getattr(pytest.mark, name)(*args, **kwargs))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for."""
    wanted: list[str] = config.getoption("--turnout-only", default=None) or []
    if not wanted:
        return
    functions = {item.name.partition("[")[0] for item in items}
    chosen = [
        item for item in items if is_chosen(wanted, item.name, rule_of(item).get("row"), functions)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _choose(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    modules = [item.getparent(pytest.Module) for item in request.session.items]
    named = {
        (module.obj.ENGINE, getattr(module.obj, "STRATEGY", None))
        for module in modules
        if module is not None and hasattr(module.obj, "ENGINE")
    }
    option = request.config.getoption("--engine", default=None)
    if option is not None:
        return option, request.config.getoption("--strategy")
    if len(named) == 1:
        return named.pop()
    raise pytest.UsageError(
        "which engine? Give --engine NAME with -p turnout.testing.plugin, or set ENGINE in the"
        f" test module (found: {sorted(name for name, _ in named) or 'none'})"
    )


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine under test."""
    request.config.stash[REPORTING].choice = choice = _choose(request)
    return choice[0]


@pytest.fixture(scope="session")
def strategy(request: pytest.FixtureRequest, engine: str) -> type[RequestUpgradeStrategy]:
    """The strategy class under test."""
    from turnout import plugins

    return plugins.load(*_choose(request))


@pytest.fixture(scope="session")
def capabilities(strategy: type[RequestUpgradeStrategy]) -> Capabilities:
    """What the engine declares that it can do."""
    return strategy.capabilities


@pytest.fixture(autouse=True)
def _declared_away(request: pytest.FixtureRequest) -> None:
    """Leave out what the engine declares away; other tests prove the declaration."""
    needed = {name for mark in request.node.iter_markers("requires") for name in mark.args}
    if not needed:
        return
    declared: Capabilities = request.getfixturevalue("capabilities")
    denied = sorted(name for name in needed if not declared.has(name))
    if denied:
        pytest.skip(f"declared away: {', '.join(denied)}")


@pytest.fixture(scope="session")
def server_command(
    request: pytest.FixtureRequest, engine: str, capabilities: Capabilities
) -> ServerCommand:
    """The command line of the server; override it to start the engine in another way."""
    from turnout.testing.engines import command_for

    return command_for(
        *_choose(request),
        capabilities,
        request.config.getoption("--subject", default=None),
    )


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, server_command: ServerCommand) -> Iterator[Server]:
    """A server that all tests share; it must end in order when they are through."""
    from turnout.testing.server import Server

    with Server(server_command) as running:
        reporting = request.config.stash[REPORTING]
        reporting.server = running
        yield running
        if reporting.report.ended_early is not None:
            return  # it is known what it cannot do
        try:
            running.stop().check()
        except Unmet as error:
            raise EndError(error.expected, error.got) from error


@pytest.fixture
def start_server(server_command: ServerCommand) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server of the test's own, with further flags."""
    from dataclasses import replace

    from turnout.testing.server import Server

    running: list[Server] = []

    def start(*options: str, **changes: Any) -> Server:
        running.append(Server(replace(server_command, options=options, **changes)))
        return running[-1]

    yield start
    for one in running:
        one.kill()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., RawClient]]:
    """Return a function that opens a WebSocket (or only connects, without a target)."""
    clients: list[RawClient] = []

    def open_websocket(
        target: str | None = None, *, settings: dict[str, Any] | None = None, **fields: Any
    ) -> RawClient:
        client = server.connect(**(settings or {}))
        clients.append(client)
        if target is not None:
            client.open(target, **fields)
        return client

    yield open_websocket
    for client in clients:
        client.stream.close()


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A word by which the subject's events of this test's connection are known."""
    import uuid

    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 and who trusts it."""
    from turnout.testing.certificates import Certificate

    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path for a Unix socket: short, as they may have 107 bytes only."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        yield Path(folder) / "socket"
