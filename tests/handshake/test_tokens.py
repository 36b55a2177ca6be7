"""Token authentication: where tokens are found, who gets in, and what is never shown."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.errors import ConfigurationError, HandshakeRefused
from turnout.handlers.base import TextWebSocketHandler
from turnout.handlers.traits import prepare
from turnout.handshake.handler import PRINCIPAL_ATTRIBUTE, HandshakeHandler
from turnout.handshake.interceptors import InterceptorChain
from turnout.handshake.negotiated import Negotiated
from turnout.handshake.tokens import (
    TokenInterceptor,
    authorization_header,
    query_parameter,
    sub_protocol_token,
)
from turnout.options import WebSocketOptions

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeRequest, FakeResponse, MakeRequest


@dataclass(frozen=True)
class User:
    """The simplest principal."""

    name: str


def verify(token: str) -> User | None:
    """Know one token."""
    return User("ada") if token == "good" else None


async def verify_later(token: str) -> User | None:
    """Know one token, in `async def`."""
    return verify(token)


def handshake(
    interceptor: TokenInterceptor,
    request: FakeRequest,
    response: FakeResponse,
    *spoken: str,
    **settings: Any,
) -> Negotiated:
    """Run the interceptor and negotiate, as the service does."""
    handler = TextWebSocketHandler()
    handler.sub_protocols = spoken
    prepared = prepare(handler, lambda handler: handler)
    attributes: dict[str, Any] = {}
    drive(InterceptorChain([interceptor], request, response, handler).before(attributes))
    return drive(
        HandshakeHandler(**settings).negotiate(
            request, response, prepared, attributes, WebSocketOptions(), Capabilities()
        )
    )


class TestSources:
    @pytest.mark.parametrize(
        ("value", "token"),
        [
            ("Bearer good", "good"),
            ("bearer  good", "good"),
            ("Bearer a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="),
            (None, None),
            ("", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic good", None),
            ("Bearer a b", None),
            ("Bearer a,b", None),
            (["Bearer a", "Bearer b"], None),
        ],
    )
    def test_authorization_header(
        self, make_request: MakeRequest, value: str | None, token: str | None
    ) -> None:
        assert authorization_header(make_request({"Authorization": value})) == token

    @pytest.mark.parametrize(
        ("target", "token"),
        [
            ("/a?token=good", "good"),
            ("/a?x=1&token=g%2Fd&token=other", "g/d"),
            ("/a?token=", None),
            ("/a?Token=good", None),
            ("/a", None),
        ],
    )
    def test_query_parameter(
        self, make_request: MakeRequest, target: str, token: str | None
    ) -> None:
        assert query_parameter()(make_request(target=target)) == token

    def test_query_parameter_of_another_name(self, make_request: MakeRequest) -> None:
        assert query_parameter("key")(make_request(target="/a?token=x&key=good")) == "good"

    @pytest.mark.parametrize(
        ("offers", "token"),
        [
            ("bearer, good", "good"),
            ("chat.v1, Bearer, good", "good"),
            (["chat.v1, bearer", "good"], "good"),
            ("bearer", None),
            ("good, bearer", None),
            ("chat.v1", None),
            (None, None),
        ],
    )
    def test_sub_protocol(
        self, make_request: MakeRequest, offers: str | list[str] | None, token: str | None
    ) -> None:
        assert sub_protocol_token()(make_request({"Sec-WebSocket-Protocol": offers})) == token

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
    def test_no_header_raises(self, make_request: MakeRequest, value: str) -> None:
        request = make_request({"Authorization": value, "Sec-WebSocket-Protocol": value})
        for source in (authorization_header, sub_protocol_token()):
            token = source(request)
            assert token is None or token in value


class TestInterceptor:
    @pytest.mark.parametrize("check", [verify, verify_later], ids=["def", "async def"])
    @pytest.mark.parametrize(
        "values",
        [
            {"headers": {"Authorization": "Bearer good"}},
            {"target": "/chat?token=good"},
            {"headers": {"Sec-WebSocket-Protocol": "bearer, good"}},
        ],
        ids=["header", "query", "sub-protocol"],
    )
    def test_a_valid_token_becomes_the_principal(
        self, make_request: MakeRequest, response: FakeResponse, check: Any, values: Any
    ) -> None:
        request = make_request(**{"target": "/chat", **values})
        found = handshake(TokenInterceptor(check), request, response)
        assert found.principal == User("ada")

    @pytest.mark.parametrize(
        ("values", "challenge"),
        [
            ({}, "Bearer"),
            ({"headers": {"Authorization": "Basic good"}}, "Bearer"),
            ({"target": "/chat?token=bad"}, 'Bearer error="invalid_token"'),
            ({"headers": {"Authorization": "Bearer bad"}}, 'Bearer error="invalid_token"'),
            (
                {"headers": {"Sec-WebSocket-Protocol": "bearer, bad"}},
                'Bearer error="invalid_token"',
            ),
        ],
    )
    @pytest.mark.parametrize("check", [verify, verify_later], ids=["def", "async def"])
    def test_otherwise_401_with_a_challenge(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        check: Any,
        values: Any,
        challenge: str,
    ) -> None:
        request = make_request(**{"target": "/chat", **values})
        with pytest.raises(HandshakeRefused) as refused:
            handshake(TokenInterceptor(check), request, response)
        assert refused.value.status == 401
        assert ("WWW-Authenticate", challenge) in refused.value.headers

    def test_only_the_given_sources_count(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        interceptor = TokenInterceptor(verify, sources=[authorization_header])
        with pytest.raises(HandshakeRefused):
            handshake(interceptor, make_request(target="/chat?token=good"), response)

    def test_the_first_source_that_finds_a_token_decides(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        request = make_request({"Authorization": "Bearer bad"}, target="/chat?token=good")
        with pytest.raises(HandshakeRefused):
            handshake(TokenInterceptor(verify), request, response)

    def test_needs_a_source(self) -> None:
        with pytest.raises(ConfigurationError):
            TokenInterceptor(verify, sources=[])

    def test_remembers_the_principal_by_the_named_constant(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        attributes: dict[str, Any] = {}
        request = make_request(target="/chat?token=good")
        chain = InterceptorChain([TokenInterceptor(verify)], request, response, object())
        drive(chain.before(attributes))
        assert attributes == {PRINCIPAL_ATTRIBUTE: User("ada")}


class TestSubProtocolAnswer:
    @pytest.mark.parametrize(
        ("offers", "spoken", "answered"),
        [
            ("bearer, good", [], "bearer"),
            ("Bearer, good", [], "Bearer"),
            ("bearer, good, chat.v1", ["chat.v1"], "chat.v1"),
            ("chat.v1, bearer, good", ["chat.v1"], "chat.v1"),
            ("bearer, good, chat.v2", ["chat.v1"], "bearer"),
            ("bearer, good", ["good"], "bearer"),
        ],
    )
    def test_never_is_the_token(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        offers: str,
        spoken: list[str],
        answered: str,
    ) -> None:
        request = make_request({"Sec-WebSocket-Protocol": offers}, target="/chat")
        found = handshake(TokenInterceptor(verify), request, response, *spoken)
        assert found.sub_protocol == answered
        assert ("Sec-WebSocket-Protocol", answered) in found.response_headers
        assert all("good" not in value for _, value in found.response_headers)

    def test_a_required_sub_protocol_is_not_met_by_the_token(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        request = make_request({"Sec-WebSocket-Protocol": "bearer, good"}, target="/chat")
        with pytest.raises(HandshakeRefused) as refused:
            handshake(TokenInterceptor(verify), request, response, "a", require_sub_protocol=True)
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "values",
    [
        {"headers": {"Authorization": "Bearer s3cret"}},
        {"target": "/chat?token=s3cret"},
        {"headers": {"Sec-WebSocket-Protocol": "bearer, s3cret"}},
    ],
    ids=["header", "query", "sub-protocol"],
)
def test_no_token_is_ever_logged(
    make_request: MakeRequest,
    response: FakeResponse,
    caplog: pytest.LogCaptureFixture,
    values: Any,
) -> None:
    caplog.set_level(logging.DEBUG)

    def broken(token: str) -> User | None:
        raise LookupError("the user database is away")

    for check in (verify, broken):
        with pytest.raises(HandshakeRefused):
            handshake(TokenInterceptor(check), make_request(**values), response)
    assert len(caplog.records) == 2
    assert "s3cret" not in caplog.text
