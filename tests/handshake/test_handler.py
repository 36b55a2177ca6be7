"""The checks of a handshake, their order and answers, and what it negotiates."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.errors import ConfigurationError, HandshakeRefused, UsageError
from turnout.handlers.base import TextWebSocketHandler
from turnout.handlers.traits import PreparedHandler, prepare
from turnout.handshake.handler import PRINCIPAL_ATTRIBUTE, HandshakeHandler
from turnout.handshake.negotiated import Negotiated, accept_key
from turnout.handshake.origins import OriginPolicy
from turnout.headers import Headers
from turnout.options import Deflate, WebSocketOptions

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeRequest, FakeResponse, MakeRequest

NO_POLICY = OriginPolicy()


@dataclass(frozen=True)
class User:
    """The simplest principal."""

    name: str


def refusal_of(request: FakeRequest, versions: Sequence[str] = ("13",)) -> HandshakeRefused:
    """Check a request that must be refused, and return how it was."""
    with pytest.raises(HandshakeRefused) as refused:
        HandshakeHandler().check(request, versions, NO_POLICY)
    return refused.value


def prepared(*sub_protocols: str) -> PreparedHandler:
    """Return a handler that speaks these sub-protocols."""
    handler = TextWebSocketHandler()
    handler.sub_protocols = sub_protocols
    return prepare(handler, lambda handler: handler)


def negotiated(
    handshake: HandshakeHandler,
    request: FakeRequest,
    response: FakeResponse,
    handler: PreparedHandler | None = None,
    attributes: dict[str, Any] | None = None,
    *,
    options: WebSocketOptions | None = None,
    capabilities: Capabilities | None = None,
) -> Negotiated:
    """Negotiate with defaults for all that a test does not care about."""
    return drive(
        handshake.negotiate(
            request,
            response,
            handler or prepared(),
            {} if attributes is None else attributes,
            options or WebSocketOptions(),
            capabilities or Capabilities(),
        )
    )


class TestChecks:
    def test_a_valid_handshake_passes(self, make_request: MakeRequest) -> None:
        HandshakeHandler().check(make_request(), ("13",), NO_POLICY)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Upgrade": "WebSocket"},
            {"Upgrade": "h2c, websocket"},
            {"Upgrade": ["h2c", "WEBSOCKET"]},
            {"Connection": "upgrade"},
            {"Connection": "UPGRADE"},
            {"Connection": "keep-alive, Upgrade"},
            {"Connection": "keep-alive ,\tuPgRaDe ,"},
            {"Connection": ["keep-alive", "foo, upgrade"]},
            {"Content-Length": "0"},
        ],
    )
    def test_headers_are_lists_without_case(
        self, make_request: MakeRequest, headers: dict[str, Any]
    ) -> None:
        HandshakeHandler().check(make_request(headers), ("13",), NO_POLICY)

    @given(
        st.lists(
            st.lists(
                st.sampled_from(["keep-alive", "up", "upgrades", "", "Upgrade", "UPGRADE"]),
                max_size=4,
            ),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from([",", ", ", " ,\t", ",,"]),
    )
    def test_upgrade_counts_wherever_it_stands_in_the_list(
        self, make_request: MakeRequest, lines: list[list[str]], separator: str
    ) -> None:
        request = make_request({"Connection": [separator.join(line) for line in lines]})
        if any(member.lower() == "upgrade" for line in lines for member in line):
            HandshakeHandler().check(request, ("13",), NO_POLICY)
        else:
            assert refusal_of(request).status == 400

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=23))
    def test_only_16_bytes_of_base64_are_a_key(self, make_request: MakeRequest, text: str) -> None:
        assert refusal_of(make_request({"Sec-WebSocket-Key": text})).status == 400

    @given(st.binary(min_size=16, max_size=16))
    def test_any_16_bytes_are_a_key(self, make_request: MakeRequest, nonce: bytes) -> None:
        key = base64.b64encode(nonce).decode()
        request = make_request({"Sec-WebSocket-Key": key})
        HandshakeHandler().check(request, ("13",), NO_POLICY)

    @pytest.mark.parametrize("hosts", [None, ["one.example", "two.example"]])
    def test_there_is_one_host(self, make_request: MakeRequest, hosts: list[str] | None) -> None:
        """Servers look at that, or do not; what is the same origin depends on it."""
        assert refusal_of(make_request({"Host": hosts})).status == 400

    @pytest.mark.parametrize(
        "field",
        [("X-Own ", "a"), ("", "a"), ("X-Own", "a\0b"), ("X-Own", "a\rb"), ("X-Own", "\u20ac")],
    )
    def test_malformed_fields_are_refused(
        self, make_request: MakeRequest, field: tuple[str, str]
    ) -> None:
        request = make_request()
        request.headers.extend([("X-Fine", "caf\xe9\tau lait")])
        HandshakeHandler().check(request, ("13",), NO_POLICY)
        request._headers = Headers.trusted([*request.headers.fields(), field])
        assert refusal_of(request).status == 400

    @pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get"])
    def test_another_method_is_405(self, make_request: MakeRequest, method: str) -> None:
        refused = refusal_of(make_request(method=method))
        assert refused.status == 405
        assert ("Allow", "GET") in refused.headers

    def test_an_extended_connect_needs_no_upgrade_headers(self, make_request: MakeRequest) -> None:
        request = make_request(
            {"Upgrade": None, "Connection": None, "Sec-WebSocket-Key": None},
            method="CONNECT",
            http_version="2",
            connect_protocol="websocket",
        )
        HandshakeHandler().check(request, ("13",), NO_POLICY)

    @pytest.mark.parametrize(
        ("version", "protocol", "status"),
        [("2", None, 405), ("1.1", "websocket", 405), ("2", "connect-udp", 400)],
    )
    def test_another_connect_is_refused(
        self, make_request: MakeRequest, version: str, protocol: str | None, status: int
    ) -> None:
        request = make_request(method="CONNECT", http_version=version, connect_protocol=protocol)
        assert refusal_of(request).status == status

    def test_an_extended_connect_is_checked_for_version_and_origin(
        self, make_request: MakeRequest
    ) -> None:
        values = {"method": "CONNECT", "http_version": "2", "connect_protocol": "websocket"}
        old = make_request({"Sec-WebSocket-Version": "8"}, **values)
        foreign = make_request({"Origin": "http://evil.example"}, **values)
        assert [refusal_of(old).status, refusal_of(foreign).status] == [426, 403]

    @pytest.mark.parametrize(
        "headers",
        [
            {"Upgrade": None},
            {"Upgrade": ""},
            {"Upgrade": "h2c"},
            {"Upgrade": "websockets"},
            {"Connection": None},
            {"Connection": "keep-alive"},
            {"Connection": "upgrades"},
            {"Connection": "keep-alive upgrade"},
            {"Sec-WebSocket-Key": None},
            {"Sec-WebSocket-Key": ""},
            {"Sec-WebSocket-Key": "abc"},
            {"Sec-WebSocket-Key": "!!!!"},
            {"Sec-WebSocket-Key": "é" * 24},
            {"Sec-WebSocket-Key": base64.b64encode(b"15 bytes of key").decode()},
            {"Sec-WebSocket-Key": base64.b64encode(b"17 bytes of a key").decode()},
            {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"},
            {"Sec-WebSocket-Key": "dGhlIHNhbXBs ZSBub25jZQ=="},
            {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==="},
            {"Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ=="] * 2},
            {"Content-Length": "5"},
            {"Content-Length": "x"},
            {"Transfer-Encoding": "chunked"},
        ],
    )
    def test_a_bad_request_is_400_with_one_plain_sentence(
        self, make_request: MakeRequest, headers: dict[str, Any]
    ) -> None:
        refused = refusal_of(make_request(headers))
        assert refused.status == 400
        assert refused.headers == [("Content-Type", "text/plain; charset=utf-8")]
        sentence = refused.body.decode()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0
        assert "\n" not in sentence

    @pytest.mark.parametrize("version", ["1.0", "0.9"])
    def test_http_1_0_is_400(self, make_request: MakeRequest, version: str) -> None:
        assert refusal_of(make_request(http_version=version)).status == 400

    @pytest.mark.parametrize("version", ["8", "0", "14", "", "13, 8", "x", ["13", "8"], None])
    def test_another_version_is_426_and_learns_ours(
        self, make_request: MakeRequest, version: str | list[str] | None
    ) -> None:
        refused = refusal_of(make_request({"Sec-WebSocket-Version": version}))
        assert refused.status == 426
        assert ("Sec-WebSocket-Version", "13") in refused.headers

    def test_every_supported_version_is_named(self, make_request: MakeRequest) -> None:
        refused = refusal_of(make_request({"Sec-WebSocket-Version": "7"}), ("13", "8"))
        assert ("Sec-WebSocket-Version", "13, 8") in refused.headers
        HandshakeHandler().check(
            make_request({"Sec-WebSocket-Version": "8"}), ("13", "8"), NO_POLICY
        )

    def test_a_foreign_origin_is_403(self, make_request: MakeRequest) -> None:
        assert refusal_of(make_request({"Origin": "http://evil.example"})).status == 403

    def test_the_first_check_that_fails_answers(self, make_request: MakeRequest) -> None:
        wrong: dict[str, Any] = {
            "method": ({"method": "POST"}, {}, 405, "uses GET"),
            "http": ({"http_version": "1.0"}, {}, 400, "HTTP/1.1"),
            "upgrade": ({}, {"Upgrade": "h2c"}, 400, '"Upgrade"'),
            "connection": ({}, {"Connection": "close"}, 400, '"Connection"'),
            "key": ({}, {"Sec-WebSocket-Key": "x"}, 400, "Sec-WebSocket-Key"),
            "body": ({}, {"Content-Length": "3"}, 400, "body"),
            "version": ({}, {"Sec-WebSocket-Version": "8"}, 426, "Sec-WebSocket-Version"),
            "origin": ({}, {"Origin": "http://evil.example"}, 403, "origin"),
        }
        remaining = list(wrong.values())
        while remaining:
            values: dict[str, Any] = {}
            headers: dict[str, Any] = {}
            for some_values, some_headers, _, _ in remaining:
                values |= some_values
                headers |= some_headers
            refused = refusal_of(make_request(headers, **values))
            _, _, status, word = remaining.pop(0)
            assert refused.status == status
            assert word in refused.body.decode()

    def test_a_step_can_be_overridden(self, make_request: MakeRequest) -> None:
        class Lenient(HandshakeHandler):
            def check_origin(self, request: object, origins: object) -> None:
                """Let every page in."""

        Lenient().check(make_request({"Origin": "http://evil.example"}), ("13",), NO_POLICY)


class TestLog:
    def test_one_line_without_secrets(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "turnout.handshake")
        refusal_of(make_request({"Upgrade": "h2c"}, target="/chat?token=secret&a=b"))
        (record,) = caplog.records
        assert record.getMessage() == (
            "handshake refused with 400 by HandshakeHandler: Upgrade is 'h2c'"
            " (GET /chat?token=***&a=*** from 192.0.2.7:40000)"
        )

    def test_a_forbidden_origin_is_a_warning_with_the_compared_values(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        refusal_of(make_request({"Origin": "https://example.org"}, peer="/run/app.sock"))
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "https://example.org is not the server's own http://example.org" in record.message
        assert "from unix:/run/app.sock" in record.message

    @pytest.mark.parametrize("name", ["Upgrade", "Connection", "Sec-WebSocket-Version", "Origin"])
    def test_whatever_the_client_sends_it_stays_one_short_line(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        caplog.set_level(logging.INFO, "turnout.handshake")
        request = make_request()
        hostile = "x\r\n\x1b[31mfake line\u2028\x85" + "y" * 5000
        request.headers.remove(name)
        request.headers._fields.append((name, hostile))
        refusal_of(request)
        (record,) = caplog.records
        line = record.getMessage()
        assert line.isprintable()
        assert len(line) < 1000

    def test_the_key_is_never_logged(
        self, make_request: MakeRequest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        refusal_of(make_request({"Sec-WebSocket-Key": "not-a-key-but-secret"}))
        assert "not-a-key" not in caplog.text


class TestSubProtocol:
    @pytest.mark.parametrize(
        ("offers", "spoken", "configured", "selected"),
        [
            (None, ["a"], ["b"], None),
            ("a", ["a"], [], "a"),
            ("b, a", ["a", "b"], [], "b"),
            ("x,  b ,a", ["a", "b"], [], "b"),
            (["x", "b,a"], ["a"], ["b"], "b"),
            ("CHAT.v1", ["Chat.V1"], [], "CHAT.v1"),
            ("CHAT.v1", [], ["chat.V1"], "CHAT.v1"),
            ("x, y", ["a"], ["b"], None),
            ("x", [], [], None),
            ("", ["a"], [], None),
        ],
    )
    def test_the_first_offer_that_is_spoken_in_the_clients_spelling(
        self,
        make_request: MakeRequest,
        response: FakeResponse,
        offers: str | list[str] | None,
        spoken: list[str],
        configured: list[str],
        selected: str | None,
    ) -> None:
        request = make_request({"Sec-WebSocket-Protocol": offers})
        handshake = HandshakeHandler(sub_protocols=configured)
        found = negotiated(handshake, request, response, prepared(*spoken))
        sent = [v for n, v in found.response_headers if n == "Sec-WebSocket-Protocol"]
        assert found.sub_protocol == selected
        assert sent == ([] if selected is None else [selected])

    @given(
        st.lists(st.sampled_from(["a", "A", "b", "c", "d"]), max_size=5),
        st.lists(st.sampled_from(["a", "b", "C"]), max_size=3),
        st.lists(st.sampled_from(["b", "D"]), max_size=2),
    )
    def test_never_one_that_was_not_offered(
        self, offered: list[str], spoken: list[str], configured: list[str]
    ) -> None:
        handshake = HandshakeHandler(sub_protocols=configured)
        selected = handshake.select_sub_protocol(offered, spoken)
        known = {name.lower() for name in spoken + configured}
        matching = [offer for offer in offered if offer.lower() in known]
        assert selected == (matching[0] if matching else None)

    @pytest.mark.parametrize("offers", [None, "x", ""])
    def test_required_and_none_in_common_is_400(
        self, make_request: MakeRequest, response: FakeResponse, offers: str | None
    ) -> None:
        handshake = HandshakeHandler(require_sub_protocol=True)
        request = make_request({"Sec-WebSocket-Protocol": offers})
        with pytest.raises(HandshakeRefused) as refused:
            negotiated(handshake, request, response, prepared("a"))
        assert refused.value.status == 400

    def test_required_and_in_common_is_accepted(
        self, make_request: MakeRequest, response: FakeResponse
    ) -> None:
        handshake = HandshakeHandler(require_sub_protocol=True)
        request = make_request({"Sec-WebSocket-Protocol": "a"})
        assert negotiated(handshake, request, response, prepared("a")).sub_protocol == "a"

    def test_one_string_is_one_name(self) -> None:
        assert HandshakeHandler(sub_protocols="chat").sub_protocols == ("chat",)

    @pytest.mark.parametrize("name", ["", "a b", "a,b", "é", 'a"b'])
    def test_a_name_that_cannot_be_sent_is_a_configuration_error(self, name: str) -> None:
        with pytest.raises(ConfigurationError):
            HandshakeHandler(sub_protocols=[name])

    @pytest.mark.parametrize("chosen", ["other", "CHAT", "chat\r\nX-Injected: 1", ""])
    def test_only_an_offer_can_be_chosen(
        self, make_request: MakeRequest, response: FakeResponse, chosen: str
    ) -> None:
        class Inventing(HandshakeHandler):
            def select_sub_protocol(self, *args: object) -> str:
                return chosen

        request = make_request({"Sec-WebSocket-Protocol": "chat, another"})
        with pytest.raises(UsageError, match="not offered"):
            negotiated(Inventing(), request, response)


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
