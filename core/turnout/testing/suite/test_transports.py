"""TLS and Unix sockets."""

from __future__ import annotations

from pathlib import Path

from turnout.testing.certificates import Certificate
from turnout.testing.commands import ask
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import StartServer


@requires("tls")
@both_colours
@rule(Row.TRANSPORTS, "TLS: messages, close code and reason, the https uri and its same origin")
def test_tls(start_server: StartServer, certificate: Certificate, colour: str) -> None:
    server = start_server("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    assert server.secure
    with server.connect(tls=certificate.client_context()) as client:
        client.open(f"/{colour}/act", origin=f"https://{client.host}")
        assert ask(client, "facts")["uri"] == f"https://{client.host}/{colour}/act"
        assert client.close(4001, "bye") == (4001, "bye")
    with server.connect(tls=certificate.client_context()) as client:
        client.open(f"/{colour}/echo")
        client.send_text("x" * 1_000_000)
        assert client.read_text() == "x" * 1_000_000
        server.signal()
        assert client.answer_close()[0] == 1001
    server.wait().check()


@requires("unix_sockets")
@both_colours
@rule(Row.TRANSPORTS, "a Unix socket: several connections, messages, close code and reason")
def test_unix_socket(start_server: StartServer, socket_path: Path, colour: str) -> None:
    server = start_server("--unix", str(socket_path))
    assert server.address == str(socket_path)
    one, other = server.connect(), server.connect()
    one.open(f"/{colour}/echo")
    other.open(f"/{colour}/act")
    one.send_text("one")
    assert one.read_text() == "one"
    assert ask(other, "facts")["is_open"]
    assert other.close(4001, "bye") == (4001, "bye")
    assert one.close() == (1000, "")
    server.stop().check()
    assert not socket_path.exists()
