"""Each capability both ways: claimed and not shown fails, denied and shown fails too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from turnout.capabilities import Capabilities
from turnout.testing.certificates import Certificate
from turnout.testing.client import Connect
from turnout.testing.commands import command
from turnout.testing.frames import CLOSE, PING, TEXT, encode_frame
from turnout.testing.marks import rule
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartError, StartServer


@rule(Row.DEFLATE, "the capability deflate says what the engine shows")
def test_declaration_of_deflate(connect: Connect, capabilities: Capabilities) -> None:
    response = connect().handshake(
        "/async/deflate", extensions="permessage-deflate; client_max_window_bits"
    )
    shown = response.status == 101 and "Sec-WebSocket-Extensions" in response.headers
    assert shown == capabilities.deflate


@rule(Row.PIECES, "the capability partial_messages says what the engine shows")
def test_declaration_of_partial_messages(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/pieces")
    client.send_frame(TEXT, b"one ", fin=False)
    client.send_ping(b"behind the piece")
    shown = client.read_frame().opcode == TEXT or client.stream.has_data(timeout=0.5)
    client.send_frame(0, b"message")
    assert shown == capabilities.partial_messages
    if not shown:
        assert json.loads(client.read_text()) == ["text", "one message", True, True]


@rule(Row.PIECES, "the capability partial_send says what the engine shows")
def test_declaration_of_partial_send(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/act")
    command(client, "send pieces")
    message = client.read_message()
    assert message.payload == "once more"
    assert (message.frames > 1) == capabilities.partial_send


@rule(Row.PINGS, "the capability ping_round_trip says what the engine shows")
def test_declaration_of_ping_round_trip(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/act")
    command(client, "ping")
    frame = client.read_frame()
    if frame.opcode == PING:
        client.send_pong(frame.payload)
        frame = client.read_frame()
    shown = frame.opcode == TEXT and "seconds" in json.loads(frame.payload)
    assert shown == capabilities.ping_round_trip


@rule(Row.ACCEPT, "the capability early_bytes says what the engine shows")
def test_declaration_of_early_bytes(connect: Connect, capabilities: Capabilities) -> None:
    client = connect()
    request = client.handshake_request("/async/echo").encode()
    response = client.request(request + encode_frame(TEXT, b"early"))
    shown = response.status == 101 and client.stream.has_data(timeout=0.5)
    assert shown == capabilities.early_bytes


@rule(Row.HOSTILE, "the capability bounded_heads says what the engine shows")
def test_declaration_of_bounded_heads(connect: Connect, capabilities: Capabilities) -> None:
    headers = (("X-Big", "x" * 100 * 1024),)
    try:
        status = connect().handshake("/async/echo", headers=headers).status
    except ConnectionError:  # cut: a client cannot tell what was wrong
        status = 0
    assert (400 <= status < 500) == capabilities.bounded_heads


@rule(Row.VERSION, "the capability handshake_checks says what the engine shows")
def test_declaration_of_handshake_checks(connect: Connect, capabilities: Capabilities) -> None:
    response = connect().handshake("/async/echo", version="12")
    shown = (response.status, response.headers.get("Sec-WebSocket-Version")) == (426, "13")
    assert shown == capabilities.handshake_checks


@rule(Row.REFUSAL, "the capability plain_refusals says what the engine shows")
def test_declaration_of_plain_refusals(connect: Connect, capabilities: Capabilities) -> None:
    response = connect().handshake("/async/refused?how=401")
    assert response.status == 401
    shown = "Sec-WebSocket-Accept" not in response.headers
    assert shown == capabilities.plain_refusals


@rule(Row.ACCEPT, "the capability accept_headers says what the engine shows")
def test_declaration_of_accept_headers(connect: Connect, capabilities: Capabilities) -> None:
    response = connect().open("/async/intercepted?mark=blue")
    assert ("X-Mark" in response.headers) == capabilities.accept_headers


@rule(Row.PINGS, "the capability control_frames says what the engine shows")
def test_declaration_of_control_frames(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/control")
    client.send_pong(b"two")
    shown = client.stream.has_data(timeout=0.5)
    assert shown == capabilities.control_frames


@rule(Row.VIOLATION, "the capability violation_codes says what the engine shows")
def test_declaration_of_violation_codes(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/echo")
    client.send_frame(0x3)
    answer = client.stream.read_to_end()
    shown = (answer[:1], answer[2:4]) == (bytes([0x80 | CLOSE]), (1002).to_bytes(2))
    assert shown == capabilities.violation_codes


@rule(Row.LIMITS, "the capability early_limits says what the engine shows")
def test_declaration_of_early_limits(connect: Connect, capabilities: Capabilities) -> None:
    client = connect("/async/limited")
    client.send_frame(TEXT, b"", declared_length=70_000)
    shown = client.stream.has_data(timeout=0.5)
    assert shown == capabilities.early_limits


@rule(Row.CLOSE, "the capability close_details says what the engine shows")
def test_declaration_of_close_details(
    server: Server, connect: Connect, token: str, capabilities: Capabilities
) -> None:
    connect(f"/async/callbacks?token={token}").close(4000, "why")
    shown = server.events.wait_for(token, "closed")[0]["reason"] == "why"
    assert shown == capabilities.close_details


@rule(Row.TRANSPORTS, "the capability tls says what the engine shows")
def test_declaration_of_tls(
    start_server: StartServer, certificate: Certificate, capabilities: Capabilities
) -> None:
    flags = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    if capabilities.tls:
        assert start_server(*flags).secure
    else:
        with pytest.raises(StartError, match="TLS"):
            start_server(*flags)


@rule(Row.TRANSPORTS, "the capability unix_sockets says what the engine shows")
def test_declaration_of_unix_sockets(
    start_server: StartServer, socket_path: Path, capabilities: Capabilities
) -> None:
    if capabilities.unix_sockets:
        assert start_server("--unix", str(socket_path)).address == str(socket_path)
    else:
        with pytest.raises(StartError, match="Unix"):
            start_server("--unix", str(socket_path))
