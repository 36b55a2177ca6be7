"""Which origins may connect, and whose word counts behind a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import ConfigurationError
from turnout.handlers.base import TextWebSocketHandler
from turnout.handshake.origins import (
    Origin,
    OriginPattern,
    OriginPolicy,
    OriginPolicyTable,
    combine,
    policy_of,
)
from turnout.handshake.proxies import TrustedProxies

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeRequest, MakeRequest

PROXY = ("10.1.2.3", 5000)


def allowed(policy: OriginPolicy, request: FakeRequest) -> bool:
    """Tell whether the policy lets the request pass."""
    return policy.objection(request) is None


class TestOrigin:
    @pytest.mark.parametrize(
        ("text", "parsed"),
        [
            ("http://example.org", Origin("http", "example.org", 80)),
            ("https://example.org", Origin("https", "example.org", 443)),
            ("ws://example.org", Origin("http", "example.org", 80)),
            ("WSS://Example.ORG", Origin("https", "example.org", 443)),
            ("https://example.org:8443/", Origin("https", "example.org", 8443)),
            ("http://192.0.2.1:80", Origin("http", "192.0.2.1", 80)),
            ("http://[::1]:8080", Origin("http", "[::1]", 8080)),
            ("http://[2001:DB8:0:0::1]", Origin("http", "[2001:db8::1]", 80)),
            ("http://localhost:65535", Origin("http", "localhost", 65535)),
        ],
    )
    def test_is_parsed_into_comparable_parts(self, text: str, parsed: Origin) -> None:
        assert Origin.parse(text) == parsed

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "*",
            "example.org",
            "//example.org",
            "ftp://example.org",
            "http://",
            "http://example.org/path",
            "http://example.org//",
            "http://user@example.org",
            "http://example.org?x",
            "http://example.org#x",
            "http://example.org:",
            "http://example.org:0",
            "http://example.org:65536",
            "http://example.org:123456",
            "http://example.org:80:80",
            "http://::1",
            "http://[::g]",
            "http://[::1",
            "http://exa mple.org",
            "http://example.org, http://evil.example",
            "http://exämple.org",
            "http://example.org:٨٠",
            "http://a\nb",
            "http://a\n",
        ],
    )
    def test_anything_else_is_none(self, text: str) -> None:
        assert Origin.parse(text) is None

    @given(st.text(max_size=60))
    def test_no_text_raises_and_what_parses_is_stable(self, text: str) -> None:
        parsed = Origin.parse(text) or Origin.parse(f"http://{text}")
        assert parsed is None or Origin.parse(str(parsed)) == parsed

    @given(
        st.sampled_from(["http", "https"]),
        st.from_regex(r"[a-z0-9.-]{1,20}|\[::[0-9a-f]{1,4}\]", fullmatch=True),
        st.integers(1, 65535),
    )
    def test_str_and_parse_are_inverse(self, scheme: str, host: str, port: int) -> None:
        parsed = Origin.parse(f"{scheme}://{host}:{port}")
        assert parsed is not None
        assert Origin.parse(str(parsed).upper()) == parsed


class TestSameOrigin:
    @pytest.mark.parametrize(
        ("scheme", "host", "origin"),
        [
            ("http", "example.org", "http://example.org"),
            ("http", "example.org", "http://example.org:80"),
            ("http", "example.org:80", "http://example.org"),
            ("http", "Example.ORG", "http://EXAMPLE.org"),
            ("ws", "example.org", "http://example.org"),
            ("https", "example.org", "https://example.org"),
            ("wss", "example.org", "https://example.org:443"),
            ("https", "example.org:8443", "https://example.org:8443"),
            ("http", "[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080"),
            ("http", "127.0.0.1:8080", "http://127.0.0.1:8080"),
        ],
    )
    @pytest.mark.parametrize("policy", [OriginPolicy(), OriginPolicy.of("https://other.example")])
    def test_always_passes(
        self, make_request: MakeRequest, scheme: str, host: str, origin: str, policy: OriginPolicy
    ) -> None:
        assert allowed(policy, make_request({"Host": host, "Origin": origin}, scheme=scheme))

    @pytest.mark.parametrize(
        ("scheme", "host", "origin"),
        [
            ("http", "example.org", "https://example.org"),
            ("https", "example.org", "http://example.org"),
            ("http", "example.org", "http://example.org:8080"),
            ("http", "example.org:8080", "http://example.org"),
            ("http", "example.org", "http://www.example.org"),
            ("http", "example.org", "http://example.org.evil.example"),
            ("http", "example.org", "http://example.org@evil.example"),
            ("http", "example.org", "null"),
            ("http", "example.org", ""),
            ("http", "example.org", " "),
            ("http", "example.org", "example.org"),
            ("http", "", "http://example.org"),
            ("http", "exa mple", "http://example.org"),
            ("http", "exa mple", "exa mple"),
            ("http", "127.0.0.1", "http://localhost"),
        ],
    )
    def test_another_is_refused(
        self, make_request: MakeRequest, scheme: str, host: str, origin: str
    ) -> None:
        request = make_request({"Host": host, "Origin": origin}, scheme=scheme)
        assert not allowed(OriginPolicy(), request)

    @pytest.mark.parametrize("policy", [OriginPolicy(), OriginPolicy.of("https://other.example")])
    def test_a_request_without_origin_passes(
        self, make_request: MakeRequest, policy: OriginPolicy
    ) -> None:
        assert allowed(policy, make_request())

    def test_a_request_without_host_has_no_origin_of_its_own(
        self, make_request: MakeRequest
    ) -> None:
        assert not allowed(OriginPolicy(), make_request({"Host": None, "Origin": "http://a"}))

    def test_two_origin_headers_are_refused(self, make_request: MakeRequest) -> None:
        twice = make_request({"Origin": ["http://example.org", "http://example.org"]})
        assert not allowed(OriginPolicy.of("http://example.org"), twice)


class TestAllowed:
    @pytest.mark.parametrize(
        ("origins", "origin", "holds"),
        [
            ("https://a.example", "https://a.example", True),
            ("https://a.example", "HTTPS://A.example:443", True),
            ("https://a.example/", "https://a.example", True),
            ("https://a.example", "https://a.example/", True),
            ("https://a.example", "http://a.example", False),
            ("https://a.example", "https://a.example:8443", False),
            ("https://a.example", "https://b.a.example", False),
            ("https://a.example, http://b.example:81", "http://b.example:81", True),
            (["https://a.example", "http://b.example"], "http://b.example", True),
            (["https://a.example,http://c.example", "http://b.example"], "http://c.example", True),
            ("*", "https://evil.example", True),
            ("*", "null", True),
            ("*", "no origin at all", True),
            ("*", "", False),
            ("null", "null", True),
            ("null", "NULL", False),
            ("null", "https://a.example", False),
            ("https://a.example", "null", False),
        ],
    )
    def test_by_list(
        self, make_request: MakeRequest, origins: str | list[str], origin: str, holds: bool
    ) -> None:
        request = make_request({"Origin": origin})
        assert allowed(OriginPolicy.of(origins), request) is holds

    @pytest.mark.parametrize(
        "origins",
        [
            "example.org",
            "ws://example.org",
            "wss://example.org",
            "ftp://example.org",
            "https://",
            "https://a.example/path",
            "https://*.example",
            "https://exämple.org",
            "HTTPS",
            "NULL",
            "",
            " ",
            ["https://a.example", ""],
            ["", "https://a.example, https://b.example"],
            "https://a.example, ,https://b.example",
            ["https://a.example, b.example"],
        ],
    )
    def test_a_wrong_entry_raises_at_registration(self, origins: str | list[str]) -> None:
        with pytest.raises(ConfigurationError):
            OriginPolicy.of(origins)

    @pytest.mark.parametrize(
        ("pattern", "origin", "holds"),
        [
            ("https://*.example.org", "https://a.example.org", True),
            ("https://*.example.org", "https://a.b.example.org", True),
            ("https://*.example.org", "https://example.org", False),
            ("https://*.example.org", "http://a.example.org", False),
            ("https://*.example.org", "https://a.example.org:8443", False),
            ("https://*.example.org", "https://a.example.org:443", True),
            ("https://*.example.org", "https://a.example.org.evil.example", False),
            ("https://*.example.org", "https://evil.example/.example.org", False),
            ("https://*.example.org", "https://axexample.org", False),
            ("https://*example.org", "https://example.org", True),
            ("https://*.Example.ORG", "https://A.example.org", True),
            ("https://*.example.org:[*]", "https://a.example.org", True),
            ("https://*.example.org:[*]", "https://a.example.org:1234", True),
            ("https://*.example.org:*", "https://a.example.org:1234", True),
            ("https://*.example.org:[*]", "https://a.example.org:x", False),
            ("https://a.example:[8080,8081]", "https://a.example:8081", True),
            ("https://a.example:[8080,8081]", "https://a.example:8082", False),
            ("https://a.example:[8080,8081]", "https://a.example", False),
            ("https://a.example:[443,8081]", "https://a.example", True),
            ("https://a.example:8080", "https://a.example:8080", True),
            ("*://a.example", "https://a.example", True),
            ("*://a.example", "http://a.example", True),
            ("http://*", "http://anything.example", True),
            ("http://[::1]:[*]", "http://[0::1]:99", True),
            ("*", "https://evil.example", True),
            ("*", "null", True),
            ("https://a.example:[1,2], http://b.example", "http://b.example", True),
            ("https://a.example:[1,2], http://b.example", "https://a.example:2", True),
        ],
    )
    def test_by_pattern(
        self, make_request: MakeRequest, pattern: str, origin: str, holds: bool
    ) -> None:
        policy = OriginPolicy.of(patterns=pattern)
        assert allowed(policy, make_request({"Origin": origin})) is holds

    @pytest.mark.parametrize(
        "pattern",
        [
            "*.example.org",
            "ws://a.example",
            "https://",
            "https://a.example/path",
            "https://a.example:[",
            "https://a.example:[]",
            "https://a.example:[8080,]",
            "https://a.example:[x]",
            "https://a.example:0",
            "https://a.example:[70000]",
            "null",
            "",
        ],
    )
    def test_a_wrong_pattern_raises_at_registration(self, pattern: str) -> None:
        with pytest.raises(ConfigurationError):
            OriginPolicy.of(patterns=pattern)

    @given(st.text(max_size=40))
    def test_any_text_is_a_pattern_or_a_configuration_error(self, text: str) -> None:
        try:
            pattern = OriginPattern.parse(text)
        except ConfigurationError:
            return
        assert pattern.text == text

    def test_a_policy_is_immutable(self) -> None:
        with pytest.raises(AttributeError):
            OriginPolicy().allows_any = True  # type: ignore[misc]  # the point of the test


class TestCombined:
    def test_allows_what_any_of_them_allows(self, make_request: MakeRequest) -> None:
        policy = OriginPolicy.of("https://a.example").combined_with(
            OriginPolicy.of("null", "https://*.b.example"), OriginPolicy()
        )
        passed = [
            origin
            for origin in ("https://a.example", "null", "https://x.b.example", "https://c.example")
            if allowed(policy, make_request({"Origin": origin}))
        ]
        assert passed == ["https://a.example", "null", "https://x.b.example"]

    def test_nothing_combined_is_the_servers_own(self) -> None:
        assert combine([]) == OriginPolicy()

    @given(st.lists(st.sampled_from(["a", "b", "any", "null", "pattern", "proxy"]), max_size=6))
    def test_order_and_repetition_make_no_difference(self, names: list[str]) -> None:
        known = {
            "a": OriginPolicy.of("https://a.example"),
            "b": OriginPolicy.of("https://b.example"),
            "any": OriginPolicy.of("*"),
            "null": OriginPolicy.of("null"),
            "pattern": OriginPolicy.of(patterns="https://*.example"),
            "proxy": OriginPolicy.of(trusted_proxies="unix"),
        }
        policies = [known[name] for name in names]
        assert combine(policies) == combine([*reversed(policies), *policies])

    def test_the_handler_says_what_it_accepts(self) -> None:
        class Open(TextWebSocketHandler):
            allowed_origins = ("https://a.example",)

        assert policy_of(Open()) == OriginPolicy.of("https://a.example")
        assert policy_of(TextWebSocketHandler()) == OriginPolicy()

    def test_the_handlers_mistake_raises(self) -> None:
        class Wrong(TextWebSocketHandler):
            allowed_origins = ("a.example",)

        with pytest.raises(ConfigurationError):
            policy_of(Wrong())

    def test_every_url_pattern_that_matches_counts(self) -> None:
        table = OriginPolicyTable()
        table.add("/api/**", OriginPolicy.of("https://a.example"))
        table.add("/api/v2/**", OriginPolicy.of("https://b.example"))
        table.add("/other", OriginPolicy.of("*"))
        assert table.policy_for("/api/v1") == OriginPolicy.of("https://a.example")
        assert table.policy_for("/api/v2/x") == OriginPolicy.of(
            ["https://a.example", "https://b.example"]
        )
        assert table.policy_for("/x") == OriginPolicy()


class TestTrustedProxies:
    @pytest.mark.parametrize(
        ("entries", "peer", "holds"),
        [
            ([], ("127.0.0.1", 1), False),
            (["127.0.0.1"], ("127.0.0.1", 1), True),
            (["127.0.0.1"], ("127.0.0.2", 1), False),
            (["10.0.0.0/8"], ("10.255.0.1", 1), True),
            (["10.0.0.0/8"], ("11.0.0.1", 1), False),
            ("10.0.0.0/8, 192.0.2.1", ("192.0.2.1", 1), True),
            (["10.0.0.0/8"], ("::ffff:10.0.0.1", 1), True),
            (["::1"], ("::1", 1), True),
            (["fe80::/10"], ("fe80::1%eth0", 1), True),
            (["127.0.0.1"], "/run/app.sock", False),
            (["unix"], "/run/app.sock", True),
            (["unix"], "", True),
            (["unix"], None, True),
            (["unix"], ("127.0.0.1", 1), False),
            (["127.0.0.1"], None, False),
            (["127.0.0.1"], ("not an address", 1), False),
        ],
    )
    def test_by_the_peer_of_the_socket(
        self, make_request: MakeRequest, entries: str | list[str], peer: Any, holds: bool
    ) -> None:
        local = ("127.0.0.1", 80) if isinstance(peer, tuple) else "/run/app.sock"
        request = make_request(peer=peer, local=local)
        assert TrustedProxies.of(entries).trusts(request) is holds

    def test_an_unknown_peer_of_a_tcp_socket_is_not_trusted(
        self, make_request: MakeRequest
    ) -> None:
        request = make_request(peer=None, local=("127.0.0.1", 80))
        assert not TrustedProxies.of(["unix", "127.0.0.1"]).trusts(request)

    @pytest.mark.parametrize("entry", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "*", "unix:/run"])
    def test_anything_else_raises_at_registration(self, entry: str) -> None:
        with pytest.raises(ConfigurationError):
            TrustedProxies.of([entry])

    @pytest.mark.parametrize(
        ("headers", "origin"),
        [
            ({"X-Forwarded-Proto": "https"}, "https://example.org"),
            ({"X-Forwarded-Proto": "wss"}, "https://example.org"),
            ({"X-Forwarded-Host": "public.example"}, "http://public.example"),
            ({"X-Forwarded-Host": "public.example:8080"}, "http://public.example:8080"),
            ({"X-Forwarded-Port": "8080"}, "http://example.org:8080"),
            ({"Host": "internal:9000", "X-Forwarded-Port": "80"}, "http://internal"),
            (
                {"X-Forwarded-Host": "p.example:8080", "X-Forwarded-Port": "80"},
                "http://p.example:8080",
            ),
            ({"X-Forwarded-Host": "[::1]", "X-Forwarded-Port": "81"}, "http://[::1]:81"),
            (
                {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "p.example"},
                "https://p.example",
            ),
            ({"Forwarded": "proto=https;host=p.example"}, "https://p.example"),
            ({"Forwarded": 'For="[2001:db8::1]:80"; HOST="p.example:81"'}, "http://p.example:81"),
            ({"Forwarded": "proto=https", "X-Forwarded-Proto": "http"}, "https://example.org"),
        ],
    )
    def test_forwarded_values_count_from_a_trusted_peer_only(
        self, make_request: MakeRequest, headers: dict[str, Any], origin: str
    ) -> None:
        policy = OriginPolicy.of(trusted_proxies=["10.0.0.0/8"])
        headers = {**headers, "Origin": origin}
        assert allowed(policy, make_request(headers, peer=PROXY))
        assert not allowed(policy, make_request(headers, peer=("192.0.2.9", 1)))
        assert not allowed(OriginPolicy(), make_request(headers, peer=PROXY))

    @pytest.mark.parametrize(
        ("headers", "seen"),
        [
            # The client's own words stand in front of the last proxy's, and count for nothing.
            ({"X-Forwarded-Proto": "https, http"}, ("http", "example.org")),
            ({"X-Forwarded-Host": ["evil.example", "p.example"]}, ("http", "p.example")),
            (
                {"Forwarded": "proto=https;host=evil.example, for=192.0.2.1;host=p.example"},
                ("http", "p.example"),
            ),
            # Two proxies, both trusted: the outer one has seen the client.
            (
                {"X-Forwarded-For": "192.0.2.1, 10.0.0.2", "X-Forwarded-Proto": "https, http"},
                ("https", "example.org"),
            ),
            (
                {"X-Forwarded-For": "192.0.2.1, 10.0.0.2", "X-Forwarded-Proto": "https"},
                ("https", "example.org"),
            ),
            (
                {"Forwarded": 'for=192.0.2.1;proto=https, for="10.0.0.2:123";proto=http;host=p'},
                ("https", "p"),
            ),
            (
                {"Forwarded": "proto=ftp, for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"},
                ("https", "example.org"),
            ),
            (
                {"Forwarded": 'for=192.0.2.1;proto=https, for="[2001:db8::1]:80";proto=http'},
                ("https", "example.org"),
            ),
            # Malformed: nothing was said.
            ({"Forwarded": "proto"}, ("http", "example.org")),
            ({"Forwarded": "proto=http;proto=https"}, ("http", "example.org")),
            ({"Forwarded": 'proto="https'}, ("http", "example.org")),
            ({"Forwarded": "proto=https host=x"}, ("http", "example.org")),
            ({"Forwarded": ""}, ("http", "example.org")),
            ({"X-Forwarded-Proto": ""}, ("http", "example.org")),
        ],
    )
    def test_what_the_client_asked_for(
        self, make_request: MakeRequest, headers: dict[str, Any], seen: tuple[str, str]
    ) -> None:
        proxies = TrustedProxies.of(["10.0.0.0/8", "2001:db8::/32"])
        assert proxies.seen_by_client(make_request(headers, peer=PROXY)) == seen

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80))
    def test_no_forwarded_header_raises(self, make_request: MakeRequest, value: str) -> None:
        if "\x7f" in value:
            return
        headers = {"Forwarded": value, "Origin": "https://evil.example"}
        policy = OriginPolicy.of(trusted_proxies=["10.0.0.0/8"])
        assert isinstance(policy.objection(make_request(headers, peer=PROXY)), str)
        proto = make_request({"X-Forwarded-Port": value}, peer=PROXY)
        assert policy.trusted_proxies.seen_by_client(proto)[0] == "http"


class TestObjection:
    def test_names_the_compared_values(self, make_request: MakeRequest) -> None:
        request = make_request({"Host": "example.org:8080", "Origin": "https://example.org"})
        objection = OriginPolicy().objection(request)
        assert objection is not None
        assert "https://example.org is not the server's own http://example.org:8080" in objection

    def test_says_why_forwarded_headers_did_not_count(self, make_request: MakeRequest) -> None:
        request = make_request({"Origin": "https://a.example", "X-Forwarded-Proto": "https"})
        assert "192.0.2.7 is no trusted proxy" in str(OriginPolicy().objection(request))
        trusting = OriginPolicy.of(trusted_proxies="192.0.2.7")
        assert "trusted proxy" not in str(trusting.objection(request))

    def test_says_that_the_host_header_is_of_no_use(self, make_request: MakeRequest) -> None:
        request = make_request({"Origin": "https://a.example", "Host": "a/b"})
        assert "the Host header 'a/b' names none" in str(OriginPolicy().objection(request))
