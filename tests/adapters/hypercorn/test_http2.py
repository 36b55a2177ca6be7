"""WebSockets over HTTP/2: extended CONNECT (RFC 8441), by prior knowledge and by ALPN."""

from __future__ import annotations

from collections.abc import Iterator

import h2.events
import h2.settings
import pytest
from tests.adapters.hypercorn.h2_client import H2Client

from turnout.testing.certificates import Certificate
from turnout.testing.deflating import OFFER, RSV1, deflate, inflate
from turnout.testing.frames import CLOSE, PING, PONG, TEXT, close_payload, encode_frame
from turnout.testing.server import StartServer

WINDOW = 65535
"""How much a client takes that says nothing of it (RFC 9113 section 6.9.2)."""
WITHIN_CLOSE_TIMEOUT = 5.0
"""Seconds in which a server ends that has nobody to wait for."""


@pytest.fixture(params=["prior knowledge", "ALPN"])
def client(
    request: pytest.FixtureRequest, start_server: StartServer, certificate: Certificate
) -> Iterator[H2Client]:
    """A connection to a server with the suite's handlers."""
    if request.param == "ALPN":
        files = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
        client = H2Client(start_server(*files).address, certificate.client_context())
    else:
        client = H2Client(start_server().address)
    with client.socket:
        yield client


def test_server_offers_extended_connect(client: H2Client) -> None:
    changed = client.wait_for(h2.events.RemoteSettingsChanged).changed_settings
    assert changed[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL].new_value == 1


def test_messages_pings_and_close(client: H2Client) -> None:
    stream, headers = client.connect("/async/echo")
    assert headers[":status"] == "200"
    assert "sec-websocket-accept" not in headers
    client.send(stream, encode_frame(TEXT, b"hello"))
    assert client.read(stream, 7) == encode_frame(TEXT, b"hello", masked=False)
    client.send(stream, encode_frame(PING, b"beat"))
    assert client.read(stream, 6) == encode_frame(PONG, b"beat", masked=False)
    client.send(stream, encode_frame(CLOSE, close_payload(4321, "why")))
    answer = encode_frame(CLOSE, close_payload(4321, "why"), masked=False)
    assert client.read(stream, len(answer)) == answer


def test_compressed_messages(client: H2Client) -> None:
    stream, headers = client.connect("/async/deflate", sec_websocket_extensions=OFFER)
    assert headers["sec-websocket-extensions"].startswith("permessage-deflate")
    text = b"again and again " * 20
    client.send(stream, encode_frame(TEXT, deflate(text), rsv=RSV1))
    first, length = client.read(stream, 2)
    assert first == 0xC0 | TEXT
    assert inflate(client.read(stream, length)) == text


@pytest.mark.parametrize("path", ["/async/flood", "/plain/flood"])
def test_client_that_reads_nothing(start_server: StartServer, token: str, path: str) -> None:
    server = start_server()
    client = H2Client(server.address)
    with client.socket:
        client.connect(f"{path}?token={token}")
        event = server.events.wait_for(token, "flooded")[0]
        assert (event["error"], event["code"]) == ("SessionLimitExceeded", 4500)
        assert event["sent"] * 16384 < 1024 * 1024


def test_client_that_vanishes_from_a_writer(start_server: StartServer, token: str) -> None:
    server = start_server()
    client = H2Client(server.address)
    with client.socket:
        stream, _ = client.connect(f"/async/flood?token={token}")
        client.read(stream, WINDOW)
    server.events.wait_for(token, "flooded")
    server.stop(timeout=WITHIN_CLOSE_TIMEOUT).check()


def test_close_that_is_not_answered(start_server: StartServer, token: str) -> None:
    """The stream is reset after `close_timeout`; its connection goes on."""
    server = start_server()
    client = H2Client(server.address)
    with client.socket:
        (silent, _), (other, _) = (
            client.connect(f"/async/hasty?token={token}"),
            client.connect("/async/echo"),
        )
        client.send(silent, encode_frame(TEXT, b'{"do": "close", "code": 4001}'))
        server.events.wait_for(token, "ended")
        client.wait_for(h2.events.StreamReset, silent)
        client.send(other, encode_frame(TEXT, b"still here"))
        assert client.read(other, 12) == encode_frame(TEXT, b"still here", masked=False)
    server.stop().check()


def test_streams_side_by_side(client: H2Client) -> None:
    streams = [client.connect(f"/{colour}/echo")[0] for colour in ("async", "plain") * 3]
    for stream in streams:
        client.send(stream, encode_frame(TEXT, b"%d" % stream))
    for stream in reversed(streams):
        expected = encode_frame(TEXT, b"%d" % stream, masked=False)
        assert client.read(stream, len(expected)) == expected


def test_violation_ends_the_stream_alone(client: H2Client) -> None:
    (broken, _), (other, _) = client.connect("/async/echo"), client.connect("/async/echo")
    client.send(broken, encode_frame(0x3))
    assert client.read(broken, 4)[2:] == (1002).to_bytes(2)
    client.send(other, encode_frame(TEXT, b"still here"))
    assert client.read(other, 12) == encode_frame(TEXT, b"still here", masked=False)


def test_sub_protocol_and_foreign_origin(client: H2Client) -> None:
    _, headers = client.connect("/async/protocols", sec_websocket_protocol="other, chat.v1")
    assert headers["sec-websocket-protocol"] == "chat.v1"
    _, refused = client.connect("/async/echo", origin="https://evil.example")
    assert refused[":status"] == "403"


def test_version_that_is_not_spoken(client: H2Client) -> None:
    _, headers = client.connect("/async/echo", **{"sec-websocket-version": "12"})
    assert headers[":status"] == "400"  # hypercorn's own; over HTTP/1.1 turnout answers


def test_connect_for_another_protocol(client: H2Client) -> None:
    _, headers = client.connect("/async/echo", **{":protocol": "connect-udp"})
    assert headers[":status"] == "405"
