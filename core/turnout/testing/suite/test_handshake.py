"""The opening handshake: what is accepted, what is refused, and in which order."""

from __future__ import annotations

import base64

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import ask
from turnout.testing.http import HttpResponse, accept_key
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

WRONG_KEYS = {
    "empty": "",
    "no base64": "!" * 24,
    "15 bytes": base64.b64encode(bytes(15)).decode(),
    "17 bytes": base64.b64encode(bytes(17)).decode(),
    "no padding": base64.b64encode(bytes(16)).decode().rstrip("="),
}
BROKEN = {  # one handshake per check, in the order in which the checks are made
    "method": {"method": "POST"},
    "upgrade": {"upgrade": "h2c"},
    "connection": {"connection": "keep-alive"},
    "key": {"key": "short"},
    "version": {"version": "12"},
    "origin": {"origin": "https://foreign.example"},
}
NEIGHBOURS = list(zip(BROKEN, list(BROKEN)[1:], strict=False))


def assert_plain_refusal(response: HttpResponse, status: int) -> None:
    """Check a refusal's status and that it says why, in one plain sentence."""
    assert response.status == status
    assert response.headers["Content-Type"].startswith("text/plain")
    assert len(response.text.strip().splitlines()) == 1


@both_colours
@rule(Row.ACCEPT, "the answer is 101 with the accept key (RFC 6455 §4.2.2)")
def test_accepted_handshake(connect: Connect, colour: str) -> None:
    client = connect()
    request = client.handshake_request(f"/{colour}/echo")
    response = client.request(request.encode())
    assert response.status == 101
    assert response.headers["Upgrade"].lower() == "websocket"
    assert response.headers["Connection"].lower() == "upgrade"
    assert response.headers["Sec-WebSocket-Accept"] == accept_key(request.key or "")


@rule(Row.ACCEPT, "a 101 has no body, no extension and no sub-protocol that nobody asked for")
def test_answer_has_nothing_unasked(connect: Connect) -> None:
    response = connect().handshake("/async/echo")
    unasked = {"Content-Length", "Transfer-Encoding"}
    unasked |= {"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"}
    assert response.status == 101
    assert not {name for name in unasked if name in response.headers}


@pytest.mark.parametrize("upgrade", ["WebSocket", "WEBSOCKET"])
@rule(Row.ACCEPT, "Upgrade is compared without regard to case (RFC 6455 §4.2.1)")
def test_upgrade_in_any_case(connect: Connect, upgrade: str) -> None:
    assert connect().handshake("/async/echo", upgrade=upgrade).status == 101


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, UPGRADE", "x ,Upgrade,, y"])
@rule(Row.ACCEPT, "Connection is a list, compared without regard to case (RFC 6455 §4.2.1)")
def test_connection_is_a_list(connect: Connect, connection: str) -> None:
    assert connect().handshake("/async/echo", connection=connection).status == 101


@rule(Row.ACCEPT, "a repeated Connection header is one list (RFC 9110 §5.3)")
def test_connection_in_two_lines(connect: Connect) -> None:
    headers = (("Connection", "Upgrade"),)
    response = connect().handshake("/async/echo", connection="keep-alive", headers=headers)
    assert response.status == 101


@rule(Row.ACCEPT, "a path without a handler is answered 404, and the connection goes on")
def test_unknown_path(connect: Connect) -> None:
    client = connect()
    assert client.handshake("/no/such/path").status == 404
    assert client.handshake("/async/echo").status == 101


@both_colours
@rule(Row.ACCEPT, "a handler that is added while the registry is served is served at once")
def test_handler_added_while_serving(connect: Connect, colour: str, token: str) -> None:
    assert connect().handshake(f"/added/{token}").status == 404
    assert ask(connect(f"/{colour}/act"), "add path", path=f"/added/{token}") == "added"
    client = connect(f"/added/{token}")
    client.send_text("hello")
    assert client.read_text() == "hello"


@requires("handshake_checks")
@rule(Row.ACCEPT, "a refused handshake leaves the connection usable for another request")
def test_second_try_on_one_connection(connect: Connect) -> None:
    client = connect()
    assert client.handshake("/async/echo", version="12").status == 426
    assert client.handshake("/async/echo").status == 101
    client.send_text("second try")
    assert client.read_text() == "second try"


@rule(Row.ACCEPT, "a handshake that comes byte by byte is a handshake")
def test_handshake_byte_by_byte(connect: Connect) -> None:
    client = connect()
    data = client.handshake_request("/async/echo").encode()
    for index in range(len(data) - 1):
        client.stream.write(data[index : index + 1])
    assert client.request(data[-1:]).status == 101


@requires("early_bytes")
@both_colours
@rule(Row.ACCEPT, "frames that come with the request are delivered")
def test_frames_sent_with_the_request(connect: Connect, colour: str) -> None:
    from turnout.testing.frames import TEXT, encode_frame

    client = connect()
    request = client.handshake_request(f"/{colour}/echo").encode()
    early = encode_frame(TEXT, b"early") + encode_frame(TEXT, b"bird")
    assert client.request(request + early[:-3]).status == 101
    assert client.read_text() == "early"
    client.stream.write(early[-3:])
    assert client.read_text() == "bird"


@requires("handshake_checks")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
@rule(Row.METHOD, "a method other than GET → 405 with Allow (RFC 9110 §15.5.6)")
def test_method(connect: Connect, method: str) -> None:
    from turnout.testing.http import read_response

    client = connect()
    client.stream.write(client.handshake_request("/async/echo", method=method).encode())
    response = read_response(client.stream, head_only=True)
    assert response.status == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("upgrade", [None, "h2c", "websocket2"])
@rule(Row.HEADERS, "Upgrade missing or not websocket → 400 (RFC 6455 §4.2.1)")
def test_upgrade_header(connect: Connect, upgrade: str | None) -> None:
    assert_plain_refusal(connect().handshake("/async/echo", upgrade=upgrade), 400)


@pytest.mark.parametrize("connection", [None, "close", "keep-alive, upgraded"])
@rule(Row.HEADERS, "Connection without upgrade → 400 (RFC 6455 §4.2.1)")
def test_connection_header(connect: Connect, connection: str | None) -> None:
    assert_plain_refusal(connect().handshake("/async/echo", connection=connection), 400)


@requires("handshake_checks")
@pytest.mark.parametrize("key", [None, *WRONG_KEYS.values()], ids=["missing", *WRONG_KEYS])
@rule(Row.HEADERS, "Sec-WebSocket-Key missing or not 16 bytes of base64 → 400 (RFC 6455 §4.2.1)")
def test_key(connect: Connect, key: str | None) -> None:
    assert_plain_refusal(connect().handshake("/async/echo", key=key), 400)


@requires("handshake_checks")
@rule(Row.HEADERS, "two Sec-WebSocket-Key headers → 400 (RFC 6455 §11.3.1)")
def test_two_keys(connect: Connect) -> None:
    headers = (("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),)
    assert_plain_refusal(connect().handshake("/async/echo", headers=headers), 400)


@rule(Row.HEADERS, "a handshake with a body → 400: its bytes would be taken for frames")
def test_handshake_with_a_body(connect: Connect) -> None:
    client = connect()
    request = client.handshake_request("/async/echo", headers=(("Content-Length", "5"),))
    assert_plain_refusal(client.request(request.encode() + b"hello"), 400)


@requires("handshake_checks")
@rule(Row.HEADERS, "HTTP/1.0 cannot upgrade → 400 (RFC 6455 §4.2.1)")
def test_http_1_0(connect: Connect) -> None:
    assert connect().handshake("/async/echo", http_version="HTTP/1.0").status == 400


@requires("handshake_checks")
@pytest.mark.parametrize("version", [None, "0", "8", "12", "14", "013", "13, 8"])
@rule(Row.VERSION, "another version than 13 → 426, Sec-WebSocket-Version: 13 (RFC 6455 §4.4)")
def test_version(connect: Connect, version: str | None) -> None:
    response = connect().handshake("/async/echo", version=version)
    assert_plain_refusal(response, 426)
    assert response.headers["Sec-WebSocket-Version"] == "13"


@requires("handshake_checks")
@pytest.mark.parametrize(("first", "second"), NEIGHBOURS, ids=["-".join(n) for n in NEIGHBOURS])
@rule(Row.HEADERS, "the first check that fails answers: method, headers, key, version, origin")
def test_order_of_checks(connect: Connect, first: str, second: str) -> None:
    alone = connect().handshake("/async/echo", **BROKEN[first])
    both = connect().handshake("/async/echo", **BROKEN[second], **BROKEN[first])
    assert alone.status >= 400
    assert (both.status, both.body) == (alone.status, alone.body)
    assert both.body != connect().handshake("/async/echo", **BROKEN[second]).body


@requires("handshake_checks")
@both_colours
@rule(Row.REFUSAL, "no interceptor runs for a handshake that a check refuses")
def test_checks_come_before_interceptors(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    target = f"/{colour}/intercepted?token={token}"
    for broken in BROKEN.values():
        assert connect().handshake(target, **broken).status >= 400
    client = connect(target)
    server.events.wait_for(token, "before")
    client.close()
    assert len(server.events.of(token, "before")) == 1
