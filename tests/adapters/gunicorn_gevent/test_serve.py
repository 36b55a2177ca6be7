"""`serve`, in a process of its own: what the black-box suite does not look at."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.command_lines import CommandLine

from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient

HERE = Path(__file__).parent
READY = r"announced (?P<path>/\S+)|announced \('(?P<host>[^']+)', (?P<port>\d+)"

PROGRAM = """
from pathlib import Path
from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.serving import ServerSettings
from turnout_adapters.gunicorn.gevent import GunicornGeventStrategy
import logging, os, sys, time
import turnout

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

@registry.websocket("/process")
def process(session):
    session.send(str(os.getpid()))
    for message in session:
        pass

def stream(request, response):
    response.start(200)
    response.write(b"first")
    {stream}
    response.write(b"last")

registry.add_http_handler(stream, "/stream")
announce = lambda address: print("announced", address, flush=True)
logging.basicConfig(level="INFO", stream=sys.stdout)
strategy = GunicornGeventStrategy(){configure}
try:
    strategy.serve(registry, ServerSettings(port=0, announce=announce, {settings}))
finally:
    print("left", os.getpid() == started, flush=True)
print("returned", flush=True)
"""

Serve = Callable[..., CommandLine]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts a program."""
    running: list[CommandLine] = []

    def start(ready: str = READY, **parts: str) -> CommandLine:
        blanks = {**dict.fromkeys(("options", "configure", "settings"), ""), "stream": "pass"}
        source = "import os; started = os.getpid()\n" + PROGRAM.format(**{**blanks, **parts})
        name = f"program{len(running)}"
        (tmp_path / f"{name}.py").write_text(source)
        running.append(CommandLine([name], directory=tmp_path, ready=ready))
        return running[-1]

    yield start
    for one in running:
        one.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_drains_and_returns_in_the_calling_process_only(
    serve: Serve, number: signal.Signals
) -> None:
    program = serve()
    with program.connect("/echo") as client:
        program.signal(number)
        assert client.answer_close() == (1001, "")
    assert program.wait() == 0
    assert program.output.count("announced") == 1
    assert program.output.count("returned") == 1
    assert "left True\nreturned\n" in program.output
    assert "Traceback" not in program.output


def test_ctrl_c_reaches_the_worker_too(serve: Serve) -> None:
    program = serve()
    with program.connect("/echo") as client:
        os.killpg(program.process.pid, signal.SIGINT)
        assert client.answer_close() == (1001, "")
    assert program.wait() == 0
    assert "left True\nreturned\n" in program.output


def test_plain_code_that_blocks_yields(serve: Serve) -> None:
    program = serve()
    clients = [program.connect("/sleepy") for _ in range(20)]
    for client in clients:
        client.send_text("hello")  # one after the other would take four seconds
    assert [client.read_text() for client in clients] == ["hello"] * 20
    for client in clients:
        client.stream.close()
    assert program.stop() == 0


def test_a_running_response_is_finished_before_the_end(serve: Serve) -> None:
    program = serve(stream="time.sleep(0.3)")
    with program.connect() as client, program.connect() as idle:
        idle.fetch("/no/such")  # stays open, kept alive, and must hold nobody up
        client.stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stream.read_until(b"first")
        program.signal()
        assert b"last" in client.stream.read_to_end()
        assert idle.stream.read_to_end() == b""
    assert program.wait() == 0
    assert "Traceback" not in program.output


def test_a_response_without_end_is_cut(serve: Serve) -> None:
    program = serve(stream="time.sleep(60)")
    with program.connect() as client:
        client.stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stream.read_until(b"first")
        assert program.stop() == 0


def test_an_old_client_sees_the_end_of_a_streamed_body(serve: Serve) -> None:
    program = serve()
    with program.connect() as client:
        client.stream.write(b"GET /stream HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        assert client.stream.read_to_end().endswith(b"\r\n\r\nfirstlast")


def test_a_tls_handshake_has_the_time_of_a_request(serve: Serve, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    chain, key = str(certificate.chain), str(certificate.key)
    program = serve(
        options="handshake_timeout=0.3",
        settings=f"tls_cert=Path({chain!r}), tls_key=Path({key!r})",
    )
    with program.connect() as silent:
        assert silent.stream.read_to_end() == b""
    with program.connect() as plain:
        plain.stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in plain.stream.read_to_end()
    with RawClient(program.address, tls=certificate.client_context()) as idle:
        assert idle.stream.read_to_end() == b""  # TLS, and then no request
    with RawClient(program.address, tls=certificate.client_context()) as client:
        client.open("/echo")
        client.send_text("x" * 100_000)
        assert client.read_text() == "x" * 100_000
        client.close()
    assert program.stop() == 0
    assert "Traceback" not in program.output


def test_bad_tls_files_are_an_error_of_the_caller(serve: Serve, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    program = serve(ready="left (?P<path>True)", settings=f"tls_cert=Path({str(bad)!r})")
    assert program.wait() == 1
    assert "ConfigurationError: cannot use" in program.output
    assert "Booting worker" not in program.output


def test_an_option_that_cannot_be_honoured_is_an_error_of_the_caller(serve: Serve) -> None:
    program = serve(
        ready="left (?P<path>True)",
        options="compression=turnout.Deflate()",
        configure="; type(strategy).capabilities = turnout.Capabilities(deflate=False)",
    )
    assert program.wait() == 1
    assert "UnsupportedOptionError" in program.output
    assert "Booting worker" not in program.output


def test_the_socket_of_a_server_that_is_gone_is_replaced(serve: Serve, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(socket_path))
    program = serve(settings=f"unix=Path({str(socket_path)!r})")
    with program.connect("/echo"):
        second = serve(ready="left (?P<path>True)", settings=f"unix=Path({str(socket_path)!r})")
        assert second.wait() == 1
        assert "a server listens on" in second.output
    with program.connect("/echo"):
        assert program.stop() == 0
    assert not socket_path.exists()


def test_a_worker_that_dies_is_replaced_without_another_announcement(serve: Serve) -> None:
    program = serve()
    with program.connect("/process") as client:
        os.kill(int(client.read_text()), signal.SIGKILL)
        assert client.stream.read_to_end() == b""
    with program.connect("/process") as client:
        assert int(client.read_text()) != program.process.pid
    assert program.stop() == 0
    assert program.output.count("announced") == 1


def test_a_worker_that_cannot_start_ends_the_server(serve: Serve) -> None:
    hook = ".configure(post_worker_init=lambda worker: 1 / 0)"
    program = serve(ready="left (?P<path>True)", configure=hook)
    assert program.wait() == 3
    assert "announced" not in program.output
    assert "ZeroDivisionError" in program.output


def test_sigusr2_is_not_for_this_server(serve: Serve) -> None:
    program = serve()
    program.signal(signal.SIGUSR2)
    program.wait_for("SIGUSR2 is for gunicorn's own command line; ignored")
    assert program.stop() == 0


def test_native_settings_reach_gunicorn(serve: Serve) -> None:
    program = serve(configure=".configure(worker_connections=1, accesslog='-')")
    with program.connect("/echo?token=secret") as first, program.connect() as second:
        second.stream.write(second.handshake_request("/echo").encode())
        assert not second.stream.has_data(0.2)  # there is one connection at a time
        first.close()
        assert second.stream.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    program.wait_for(r'"GET /echo\?token=\*\*\* HTTP/1.1" 101')
    assert program.stop() == 0
