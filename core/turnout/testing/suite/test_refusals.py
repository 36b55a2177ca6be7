"""Interceptors: what they see, what they leave behind, and how they refuse."""

from __future__ import annotations

from turnout.testing.agreed import DETAIL
from turnout.testing.client import Connect
from turnout.testing.commands import ask
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server


@both_colours
@rule(Row.REFUSAL, "an interceptor's refusal: its status, headers and body, before any 101")
def test_refused_with_status_headers_and_body(connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/refused?how=401")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="turnout"'
    assert response.headers["X-Reason"] == "no token"
    assert response.body == b"token needed"


@requires("plain_refusals")
@both_colours
@rule(Row.REFUSAL, "a refusal has none of the headers of a 101")
def test_refusal_is_no_101(connect: Connect, colour: str) -> None:
    headers = connect().handshake(f"/{colour}/refused?how=401").headers
    assert "Sec-WebSocket-Accept" not in headers
    assert "upgrade" not in headers.get("Connection", "").lower()


@both_colours
@rule(Row.REFUSAL, "what earlier interceptors put into the answer's headers is in a refusal too")
def test_headers_of_earlier_interceptors(connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/refused?how=401")
    assert (response.status, response.headers["X-Mark"]) == (401, "intercepted")


@both_colours
@rule(Row.REFUSAL, "an interceptor that returns False and sets nothing → 403, never 200")
def test_refused_by_false(connect: Connect, colour: str) -> None:
    assert connect().handshake(f"/{colour}/refused?how=false").status == 403


@both_colours
@rule(Row.REFUSAL, "an interceptor that raises → 500 without detail, logged with the traceback")
def test_raising_interceptor(server: Server, connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/refused?how=error")
    assert response.status == 500
    assert DETAIL.encode() not in response.body
    assert "Traceback" in server.wait_for_log(DETAIL)


@both_colours
@rule(Row.REFUSAL, "a refused handshake never reaches the handler; earlier interceptors hear of it")
def test_refusal_ends_the_handshake(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    assert connect().handshake(f"/{colour}/refused?how=401&token={token}").status == 401
    server.events.wait_for(token, "after")
    assert len(server.events.of(token, "asked")) == 1
    assert not server.events.of(token, "ended")


@both_colours
@rule(Row.REFUSAL, "an interceptor that returns False → the status that it has set")
def test_refused_with_the_status_that_was_set(connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/refused?how=status")
    assert (response.status, response.headers["Retry-After"]) == (429, "7")


@both_colours
@rule(Row.REFUSAL, "the handshake handler refuses: its status, headers and body, before any 101")
def test_refused_by_the_handshake_handler(connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/users?user=nobody")
    assert (response.status, response.body) == (401, b"who are you?")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="turnout"'
    assert connect().handshake(f"/{colour}/users?user=ada").status == 101


@requires("accept_headers")
@both_colours
@rule(Row.ACCEPT, "interceptors add attributes for the session and headers for the 101")
def test_interceptor_adds_attributes_and_headers(connect: Connect, colour: str) -> None:
    client = connect()
    response = client.open(f"/{colour}/intercepted?mark=blue")
    assert response.headers["X-Mark"] == "intercepted"
    assert ask(client, "facts")["attributes"]["mark"] == "blue"


@both_colours
@rule(Row.ACCEPT, "after_handshake runs once for each before_handshake that passed")
def test_after_handshake(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect(f"/{colour}/intercepted?token={token}")
    after = server.events.wait_for(token, "after")[0]
    client.close()
    assert after["error"] is None
    assert len(server.events.of(token, "before")) == 1


@both_colours
@rule(Row.ACCEPT, "the handshake handler determines the principal")
def test_principal(connect: Connect, colour: str) -> None:
    assert ask(connect(f"/{colour}/users?user=ada"), "facts")["principal"] == "ada"
    assert ask(connect(f"/{colour}/users"), "facts")["principal"] is None
