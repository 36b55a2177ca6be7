"""The checks of a handshake, their order and their answers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.handshake.negotiating import NO_POLICY, refusal_of

from turnout.handshake.handler import HandshakeHandler
from turnout.headers import Headers

if TYPE_CHECKING:
    from tests.handshake.conftest import MakeRequest


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
