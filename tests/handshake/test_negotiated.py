"""What a handshake negotiates besides a sub-protocol, and the headers of its 101."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.handshake.negotiating import User, negotiated, prepared

from turnout.capabilities import Capabilities
from turnout.errors import HandshakeRefused
from turnout.handshake.handler import PRINCIPAL_ATTRIBUTE, HandshakeHandler
from turnout.handshake.negotiated import accept_key
from turnout.options import Deflate, WebSocketOptions

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeResponse, MakeRequest


class TestExtensions:
    OFFER = "permessage-deflate; client_max_window_bits"
    ON = WebSocketOptions(compression=Deflate())

    def test_deflate_is_accepted_when_it_is_on(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        request = make_request({"Sec-WebSocket-Extensions": ["x-foo; a=1", self.OFFER]})
        found = negotiated(HandshakeHandler(), request, response, options=self.ON)
        assert found.deflate is not None
        assert [extension.name for extension in found.extensions] == ["permessage-deflate"]
        sent = dict(found.response_headers)["Sec-WebSocket-Extensions"]
        assert sent == found.deflate.response_header == str(found.extensions[0])

    @pytest.mark.parametrize(
        ("options", "capabilities", "offer"),
        [
            (WebSocketOptions(), Capabilities(), OFFER),
            (ON, Capabilities(deflate=False), OFFER),
            (ON, Capabilities(), "x-foo"),
            (ON, Capabilities(), None),
        ],
    )
    def test_otherwise_none_is(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        options: WebSocketOptions,
        capabilities: Capabilities,
        offer: str | None,
    ) -> None:
        request = make_request({"Sec-WebSocket-Extensions": offer})
        found = negotiated(
            HandshakeHandler(), request, response, options=options, capabilities=capabilities
        )
        assert (found.deflate, found.extensions) == (None, ())
        assert "Sec-WebSocket-Extensions" not in dict(found.response_headers)

    @pytest.mark.parametrize("options", [WebSocketOptions(), ON])
    def test_a_malformed_header_is_400_either_way(
        self, make_request: MakeRequest, response: FakeResponse, options: WebSocketOptions
    ) -> None:
        request = make_request({"Sec-WebSocket-Extensions": "permessage-deflate; =10"})
        with pytest.raises(HandshakeRefused) as refused:
            negotiated(HandshakeHandler(), request, response, options=options)
        assert refused.value.status == 400


class TestPrincipal:
    def test_is_the_hosts_user(self, make_request: MakeRequest, response: FakeResponse) -> None:
        request = make_request(principal=User("host"))
        assert negotiated(HandshakeHandler(), request, response).principal == User("host")

    def test_an_interceptor_goes_before_the_host(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        request = make_request(principal=User("host"))
        attributes = {PRINCIPAL_ATTRIBUTE: User("token")}
        found = negotiated(HandshakeHandler(), request, response, attributes=attributes)
        assert found.principal == User("token")

    def test_may_be_determined_by_an_async_override(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        handler = prepared()

        class Anonymous(HandshakeHandler):
            async def determine_user(
                self, request: object, handler: object, attributes: dict[str, Any]
            ) -> User:
                return User(f"{type(handler).__name__}-{attributes['n']}")

        found = negotiated(Anonymous(), make_request(), response, handler, {"n": 7})
        assert found.principal == User("TextWebSocketHandler-7")

    def test_may_refuse_and_is_logged(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        class Closed(HandshakeHandler):
            def determine_user(self, request: object, handler: object, attributes: object) -> User:
                raise HandshakeRefused(401, [("WWW-Authenticate", "Basic")])

        caplog.set_level(logging.INFO, "turnout.handshake")
        with pytest.raises(HandshakeRefused) as refused:
            negotiated(Closed(), make_request(), response)
        assert refused.value.headers == [("WWW-Authenticate", "Basic")]
        assert [r.getMessage().split(" (")[0] for r in caplog.records] == [
            f"handshake refused with 401 by {Closed.__qualname__}"
        ]


class TestResponseHeaders:
    def test_the_accept_key_is_the_one_of_the_rfc(self) -> None:
        assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    def test_the_whole_list_in_order(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        request = make_request({"Sec-WebSocket-Protocol": "a"})
        found = negotiated(HandshakeHandler(), request, response, prepared("a"))
        assert found.response_headers == [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("Sec-WebSocket-Protocol", "a"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ]

    def test_an_extended_connect_switches_nothing(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        request = make_request(
            {"Sec-WebSocket-Key": None, "Sec-WebSocket-Protocol": "a"},
            method="CONNECT",
            http_version="2",
            connect_protocol="websocket",
        )
        found = negotiated(HandshakeHandler(), request, response, prepared("a"))
        assert found.response_headers == [("Sec-WebSocket-Protocol", "a")]

    @pytest.mark.parametrize(
        "name",
        [
            "Upgrade",
            "connection",
            "SEC-WEBSOCKET-ACCEPT",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Content-Length",
            "Transfer-Encoding",
        ],
    )
    def test_what_the_handshake_owns_cannot_be_set(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        caplog: pytest.LogCaptureFixture,
        name: str,
    ) -> None:
        plain = negotiated(HandshakeHandler(), make_request(), response).response_headers
        response.headers.add(name, "x")
        found = negotiated(HandshakeHandler(), make_request(), response)
        assert found.response_headers == plain
        assert name in caplog.text
