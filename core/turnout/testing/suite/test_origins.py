"""Who may connect from a browser."""

from __future__ import annotations

import pytest

from turnout.testing.client import Connect
from turnout.testing.marks import both_colours, rule
from turnout.testing.rows import Row

FOREIGN = ["https://foreign.example", "http://{host}.foreign.example", "null", "http://localhost:1"]


@both_colours
@pytest.mark.parametrize("origin", FOREIGN)
@rule(Row.ORIGIN, "a foreign Origin → 403 by default")
def test_foreign_origin(connect: Connect, colour: str, origin: str) -> None:
    client = connect()
    response = client.handshake(f"/{colour}/echo", origin=origin.format(host=client.host))
    assert response.status == 403


@rule(Row.ORIGIN, "no Origin header passes: only browsers send one")
def test_no_origin(connect: Connect) -> None:
    assert connect().handshake("/async/echo", origin=None).status == 101


@pytest.mark.parametrize("scheme", ["http", "ws"])
@rule(Row.ORIGIN, "the same origin passes; ws is http")
def test_same_origin(connect: Connect, scheme: str) -> None:
    client = connect()
    assert client.handshake("/async/echo", origin=f"{scheme}://{client.host}").status == 101


@rule(Row.ORIGIN, "another scheme or port is another origin (RFC 6454 §4)")
def test_other_scheme_or_port(connect: Connect) -> None:
    client = connect()
    for origin in (f"https://{client.host}", f"http://{client.host.split(':')[0]}:1"):
        assert connect().handshake("/async/echo", origin=origin).status == 403


@rule(Row.ORIGIN, "a forwarded header from an untrusted peer changes nothing")
def test_forwarded_header_is_not_believed(connect: Connect) -> None:
    headers = (
        ("X-Forwarded-Host", "foreign.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "host=foreign.example;proto=https"),
    )
    response = connect().handshake("/async/echo", origin="https://foreign.example", headers=headers)
    assert response.status == 403


@rule(Row.ORIGIN, "a forwarded header from a trusted proxy counts")
def test_forwarded_header_of_a_trusted_proxy(connect: Connect) -> None:
    headers = (("X-Forwarded-Host", "public.example"), ("X-Forwarded-Proto", "https"))
    own = connect().handshake(
        "/async/origins/proxied", origin="https://public.example", headers=headers
    )
    foreign = connect().handshake(
        "/async/origins/proxied", origin="https://foreign.example", headers=headers
    )
    assert (own.status, foreign.status) == (101, 403)


@both_colours
@pytest.mark.parametrize(
    ("path", "origin", "passes"),
    [
        ("list", "https://one.example", True),
        ("list", "HTTPS://ONE.example", True),
        ("list", "https://two.example:8443", True),
        ("list", "https://two.example", False),
        ("list", "http://one.example", False),
        ("pattern", "https://a.example:8080", True),
        ("pattern", "https://a.b.example:8443", True),
        ("pattern", "https://a.example:9000", False),
        ("pattern", "https://example.evil:8080", False),
        ("any", "https://foreign.example", True),
        ("any", "null", True),
    ],
)
@rule(Row.ORIGIN, "a list, patterns and * decide who may connect")
def test_allowed_origins(
    connect: Connect, colour: str, path: str, origin: str, passes: bool
) -> None:
    response = connect().handshake(f"/{colour}/origins/{path}", origin=origin)
    assert response.status == (101 if passes else 403)


@rule(Row.ORIGIN, "the same origin passes beside a list")
def test_same_origin_beside_a_list(connect: Connect) -> None:
    client = connect()
    response = client.handshake("/async/origins/list", origin=f"http://{client.host}")
    assert response.status == 101
