"""After a refusal: the connection serves the next request, or ends as the refusal has said."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect, RawClient
from turnout.testing.http import HttpResponse
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row

CHECKED = {  # by the status: what a check of the handshake refuses
    405: {"method": "POST"},
    400: {"key": "short"},
    426: {"version": "12"},
}
REFUSED = {  # by who refuses: a target below the colour's own
    "interceptor": "/refused?how=401",
    "interceptor by false": "/refused?how=false",
    "interceptor that raises": "/refused?how=error",
    "handshake handler": "/users?user=nobody",
    "sub-protocol": "/protocols/required",
}


def check_next(client: RawClient, refusal: HttpResponse, target: str) -> None:
    """Check that the connection does what a refusal's head says of it."""
    if refusal.is_last:
        client.expect_end()
        return
    client.open(target)
    client.send_text("next")
    assert client.read_text() == "next"


@requires("handshake_checks")
@both_colours
@pytest.mark.parametrize("status", CHECKED)
@rule(Row.HEADERS, "behind a refused handshake the next one is answered, or `close` was said")
def test_request_behind_a_broken_handshake(connect: Connect, colour: str, status: int) -> None:
    client = connect()
    refusal = client.handshake(f"/{colour}/echo", **CHECKED[status])
    assert refusal.status == status
    check_next(client, refusal, f"/{colour}/echo")


@both_colours
@pytest.mark.parametrize("header", ["upgrade", "connection"])
@rule(Row.HEADERS, "behind a 400 for no upgrade the next request is answered, or `close` was said")
def test_request_behind_no_upgrade(connect: Connect, colour: str, header: str) -> None:
    client = connect()
    refusal = client.handshake(f"/{colour}/echo", **{header: None})
    assert refusal.status == 400
    check_next(client, refusal, f"/{colour}/echo")


@both_colours
@rule(Row.ORIGIN, "behind a foreign Origin's 403 the next request is answered, or `close` was said")
def test_request_behind_a_foreign_origin(connect: Connect, colour: str) -> None:
    client = connect()
    refusal = client.handshake(f"/{colour}/echo", origin="https://foreign.example")
    assert refusal.status == 403
    check_next(client, refusal, f"/{colour}/echo")


@both_colours
@pytest.mark.parametrize("target", REFUSED.values(), ids=list(REFUSED))
@rule(Row.REFUSAL, "behind a refusal the next request is answered, or `close` was said")
def test_request_behind_a_refusal(connect: Connect, colour: str, target: str) -> None:
    client = connect()
    refusal = client.handshake(f"/{colour}{target}")
    assert refusal.status in (400, 401, 403, 500)
    check_next(client, refusal, f"/{colour}/echo")
