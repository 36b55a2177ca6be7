"""What handlers give away without looking: none of it may become another header on the wire."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from turnout.testing.bystander import undisturbed
from turnout.testing.client import Connect
from turnout.testing.commands import ask, command
from turnout.testing.http import HttpResponse
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server
from turnout.testing.subject.injected import INJECTED

NOT_OFFERED = {
    "another one": "chat.v9",
    "line break": "chat\r\nX-Injected: second",
    "zero": "chat\0",
}


def assert_local_error(response: HttpResponse) -> None:
    """Check that it was the server's mistake, answered once, and that nothing leaked."""
    assert response.status == 500
    assert "X-Injected" not in response.headers
    assert b"X-Injected" not in response.body


@both_colours
@pytest.mark.parametrize("what", INJECTED)
@pytest.mark.parametrize("where", ["", "refusal with "], ids=["header", "refusal"])
@rule(Row.REFUSAL, "a header that may not be sent → 500, and nothing of it on the wire")
def test_header_injection(connect: Connect, colour: str, what: str, where: str) -> None:
    with undisturbed(connect):
        target = f"/{colour}/refused?how={quote(where + what)}"
        assert_local_error(connect().handshake(target))


@both_colours
@pytest.mark.parametrize(
    "how", [*(f"status {n}" for n in (0, 101, 200, 600)), "body without UTF-8"]
)
@rule(Row.REFUSAL, "a status that does not refuse, or a body that is no text → 500, never a 101")
def test_refusal_that_may_not_be_sent(connect: Connect, colour: str, how: str) -> None:
    assert_local_error(connect().handshake(f"/{colour}/refused?how={quote(how)}"))


@both_colours
@pytest.mark.parametrize("protocol", NOT_OFFERED.values(), ids=NOT_OFFERED)
@rule(Row.PROTOCOLS, "a sub-protocol that was not offered is never sent: 500, logged")
def test_protocol_that_was_not_offered(
    server: Server, connect: Connect, colour: str, protocol: str
) -> None:
    offered = "".join(f"%{ord(character):02x}" for character in protocol)
    response = connect().handshake(f"/{colour}/protocols/invented", protocols=offered)
    assert_local_error(response)
    assert "Sec-WebSocket-Protocol" not in response.headers
    server.wait_for_log("sub-protocol")


@both_colours
@pytest.mark.parametrize("what", INJECTED)
@pytest.mark.parametrize("how", ["send", "start"])
@rule(Row.HTTP, "a header that may not be sent → 500, and nothing of it on the wire")
def test_header_injection_over_http(connect: Connect, colour: str, what: str, how: str) -> None:
    response = connect().fetch(f"/{colour}/http/injected?how={how}&what={quote(what)}")
    assert_local_error(response)


@both_colours
@rule(Row.CLOSE, "a close reason is text and nothing else: line breaks arrive as they are")
def test_line_breaks_in_a_close_reason(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    command(client, "close", code=4001, reason="bye\r\nX-Injected: second\0")
    assert client.answer_close() == (4001, "bye\r\nX-Injected: second\0")


@both_colours
@rule(Row.CLOSE, "a close reason that has no UTF-8 is a local error, and nothing is sent")
def test_close_reason_without_utf8(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/act")
    assert ask(client, "close", code=4001, reason="\ud800")["error"] == "InvalidCloseError"
    assert ask(client, "facts")["is_open"]
