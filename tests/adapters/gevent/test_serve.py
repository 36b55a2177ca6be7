"""`serve`, in a process of its own: what the black-box suite does not look at."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.pool import Pool

from turnout import ConfigurationError
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout_adapters.gevent import GeventStrategy

PROGRAM = """
import sys
{before}
from pathlib import Path
import time
from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.serving import ServerSettings
from turnout_adapters.gevent import GeventStrategy

registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1, {options}))

@registry.websocket("/echo")
def echo(session):
    for message in session:
        session.send(message)

@registry.websocket("/sleepy")
def sleepy(session):
    for message in session:
        time.sleep(0.2)
        session.send(message)

@registry.websocket("/asyncio", async_runtime="asyncio")
async def on_asyncio(session):
    import asyncio
    async for message in session:
        await asyncio.gather(asyncio.sleep(0.01), asyncio.to_thread(time.sleep, 0.01))
        await session.send(message)

def stream(request, response):
    response.start(200)
    response.write(b"first")
    {stream}
    response.write(b"last")

registry.add_http_handler(stream, "/stream")
strategy = GeventStrategy(){configure}
announce = lambda address: print(address, flush=True)
strategy.serve(registry, ServerSettings(port=0, announce=announce, {settings}))
print("returned", flush=True)
"""


class Program:
    """A program that serves until it is told to stop."""

    def __init__(self, **parts: str) -> None:
        blanks = dict.fromkeys(("before", "options", "stream", "configure", "settings"), "")
        text = PROGRAM.format(**{**blanks, "stream": "pass", **parts})
        self.process = subprocess.Popen(
            [sys.executable, "-W", "default", "-c", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.announced = self.process.stdout.readline()

    @property
    def address(self) -> Any:
        """Where it listens."""
        assert self.announced, self.process.communicate(timeout=20)[1]
        host, port = self.announced.strip("()\n").split(", ")
        return host.strip("'"), int(port)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
        """Send a signal, wait for the end; return what was written since."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=20)
        return output, errors


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Return a function that starts a program."""
    programs: list[Program] = []

    def start(**parts: str) -> Program:
        programs.append(Program(**parts))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.process.communicate(timeout=10)


Start = Callable[..., Program]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_drains_and_returns(start: Start, number: signal.Signals) -> None:
    program = start()
    with RawClient(program.address) as client:
        client.open("/echo")
        program.process.send_signal(number)
        assert client.answer_close() == (1001, "")
    assert program.process.communicate(timeout=20) == ("returned\n", "")
    assert program.process.returncode == 0


def test_plain_code_that_blocks_yields_once_it_is_patched(start: Start) -> None:
    program = start(before="from gevent import monkey; monkey.patch_all()")
    clients = [RawClient(program.address) for _ in range(20)]
    for client in clients:
        client.open("/sleepy")
    for client in clients:
        client.send_text("hello")  # one after the other would take four seconds
    begin = time.monotonic()
    assert [client.read_text() for client in clients] == ["hello"] * 20
    assert time.monotonic() - begin < 2
    for client in clients:
        client.stream.close()
    assert program.stop() == ("returned\n", "")


@pytest.mark.parametrize("before", ["", "from gevent import monkey; monkey.patch_all()"])
def test_asyncio_runs_beside_it_patched_or_not(start: Start, before: str) -> None:
    program = start(before=before)
    clients = [RawClient(program.address) for _ in range(20)]
    for client in clients:
        client.open("/asyncio")
        client.send_text("hello")
    assert [client.read_text() for client in clients] == ["hello"] * 20
    program.process.send_signal(signal.SIGTERM)
    assert [client.answer_close() for client in clients] == [(1001, "")] * 20
    assert program.process.communicate(timeout=20) == ("returned\n", "")


def test_an_old_client_sees_the_end_of_a_streamed_body(start: Start) -> None:
    program = start()
    with RawClient(program.address) as client:
        client.stream.write(b"GET /stream HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        assert client.stream.read_to_end().endswith(b"\r\n\r\nfirstlast")


def test_a_running_response_is_finished_before_the_end(start: Start) -> None:
    program = start(stream="import gevent; gevent.sleep(0.3)")
    with RawClient(program.address) as client, RawClient(program.address) as idle:
        idle.fetch("/no/such")  # stays open, kept alive, and must hold nobody up
        client.stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stream.read_until(b"first")
        program.process.send_signal(signal.SIGTERM)
        assert b"last" in client.stream.read_to_end()
        assert idle.stream.read_to_end() == b""
    assert program.process.communicate(timeout=20) == ("returned\n", "")


def test_a_response_without_end_is_cut(start: Start) -> None:
    program = start(stream="import gevent; gevent.sleep(60)")
    with RawClient(program.address) as client:
        client.stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stream.read_until(b"first")
        assert program.stop() == ("returned\n", "")


def test_a_tls_handshake_has_the_time_of_a_request(start: Start, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    chain, key = str(certificate.chain), str(certificate.key)
    program = start(
        options="handshake_timeout=0.3",
        settings=f"tls_cert=Path({chain!r}), tls_key=Path({key!r})",
    )
    with socket.create_connection(program.address, timeout=10) as silent:
        assert silent.recv(1) == b""
    with RawClient(program.address) as plain:
        plain.stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in plain.stream.read_to_end()
    with RawClient(program.address, tls=certificate.client_context()) as client:
        client.open("/echo")
        client.send_text("x" * 100_000)
        assert client.read_text() == "x" * 100_000
        client.close()
    assert program.stop() == ("returned\n", "")


def test_the_socket_of_a_server_that_is_gone_is_replaced(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    program = start(settings=f"unix=Path({str(path)!r})")
    assert program.announced == f"{path}\n"
    with RawClient(str(path)) as client:
        client.open("/echo")
    second = start(settings=f"unix=Path({str(path)!r})")
    _, errors = second.process.communicate(timeout=20)
    assert "a server listens on" in errors
    assert "ResourceWarning" not in errors
    assert program.stop() == ("returned\n", "")
    assert not path.exists()


def test_native_settings_reach_the_server(start: Start) -> None:
    program = start(configure=".configure(spawn=1, log=sys.stdout)")
    with RawClient(program.address) as first, RawClient(program.address) as second:
        first.open("/echo?token=secret")
        second.stream.write(second.handshake_request("/echo").encode())
        assert not second.stream.has_data(0.2)  # the pool of one is full
        first.close()
        assert second.stream.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    output, errors = program.stop()
    assert '"GET /echo?token=*** HTTP/1.1" 101' in output
    assert errors == ""


class TestConfigure:
    def test_an_unknown_name_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(ConfigurationError, match=r"no 'workers'.*spawn.*handler_class"):
            GeventStrategy().configure(workers=4)

    @pytest.mark.parametrize("name", ["listener", "application", "backlog"])
    def test_what_is_settled_elsewhere_is_unknown(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=name):
            GeventStrategy().configure(**{name: None})

    @pytest.mark.parametrize("value", [object, "WSGIHandler"])
    def test_a_handler_class_is_a_class_of_pywsgis(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="subclass of WSGIHandler"):
            GeventStrategy().configure(handler_class=value)

    def test_it_chains(self) -> None:
        strategy = GeventStrategy().configure(spawn=Pool(3)).configure(log=logging.getLogger())
        assert set(strategy.native_settings) == {"spawn", "log"}
