"""What is read out of a handshake's target and header fields, parser by parser.

Held for every input:

- a parser raises its declared error or none;
- what was parsed, written and parsed again is the same;
- what is negotiated keeps within the settings; what goes into a log is one redacted line;
- no input takes long: `-timeout` of libFuzzer watches.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.inputs import Input

from turnout.errors import ConfigurationError, HandshakeRefused
from turnout.handshake.origins import Origin, OriginPattern, OriginPolicy, request_origin
from turnout.handshake.proxies import TrustedProxies
from turnout.handshake.redaction import printable, redact
from turnout.handshake.refusal import describe_request
from turnout.handshake.tokens import authorization_header, query_parameter, sub_protocol_token
from turnout.headers import Headers, split_list
from turnout.options import Deflate
from turnout.paths import PathPattern, PathTable, PathTemplate
from turnout.protocol.extensions import (
    InvalidExtensionsError,
    negotiate_deflate,
    parse_extensions,
)
from turnout.testing.memory_http import MemoryRequest

__all__ = ["run"]

PROXIES = TrustedProxies.of("192.0.2.0/24, 10.0.0.0/8, unix")
POLICY = OriginPolicy.of("https://example.org", "https://*.example.org:[*]", "192.0.2.1")
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Host")


def run(data: bytes) -> None:
    """Feed one input to one parser."""
    given = Input(data)
    given.choice(PARSERS)(given)


def latin(given: Input) -> str:
    """Return what is left as servers hand field values over."""
    return given.rest().decode("latin-1")


def extensions(given: Input) -> None:
    settings = Deflate(window_bits=9 + given.byte() % 7)
    try:
        offers = parse_extensions(latin(given).split("\n"))
    except InvalidExtensionsError:
        return
    assert parse_extensions(", ".join(map(str, offers))) == offers
    agreed = negotiate_deflate(offers, settings)
    if agreed is not None:
        assert 9 <= agreed.server_max_window_bits <= settings.window_bits
        assert 8 <= agreed.client_max_window_bits <= settings.window_bits
        assert parse_extensions(agreed.response_header) == [agreed.extension]


def origin(given: Input) -> None:
    parsed = Origin.parse(latin(given))
    if parsed is not None:
        assert Origin.parse(str(parsed)) == parsed


def origin_pattern(given: Input) -> None:
    tried = Origin("https", given.take(12).decode("latin-1"), 443)
    try:
        pattern = OriginPattern.parse(latin(given))
    except ConfigurationError:
        return
    pattern.matches(tried)
    exact = Origin.parse(pattern.text) if "*" not in pattern.text else None
    assert exact is None or pattern.matches(exact)


def origin_policy(given: Input) -> None:
    foreign = Headers.trusted([("Host", "example.com"), ("Origin", given.text(40))])
    try:
        policy = OriginPolicy.of(given.text(40), given.text(40), given.text(40))
    except ConfigurationError:
        policy = POLICY
    policy.objection(MemoryRequest("/", foreign))


def forwarded(given: Input) -> None:
    fields = [(name, given.take(given.byte()).decode("latin-1")) for name in FORWARDED]
    request = MemoryRequest("/", Headers.trusted(fields))
    scheme, authority = PROXIES.seen_by_client(request)
    assert isinstance(scheme, str)
    assert isinstance(authority, str)
    request_origin(request, PROXIES)
    objection = POLICY.objection(request)
    assert objection is None or objection.isprintable()


def path(given: Input) -> None:
    table: PathTable[int] = PathTable()
    for number in range(given.byte() % 4):
        try:
            table.add("/" + given.text(given.byte() & 31), number)
        except ConfigurationError:
            continue
    table.add("/chat/{room}/{rest:path}", 9)
    found = table.match(latin(given))
    if found is not None:
        for value in found[1].values():
            assert {".", ".."}.isdisjoint(value.split("/"))


def path_pattern(given: Input) -> None:
    try:
        pattern = PathPattern("/" + given.text(given.byte()))
    except ConfigurationError:
        return
    pattern.matches(latin(given))


def path_template(given: Input) -> None:
    text = latin(given)
    try:
        template = PathTemplate(text)
    except ConfigurationError:
        return
    if not template.names:
        table: PathTable[int] = PathTable()
        table.add(text, 1)
        assert table.match(text) == (1, {})


def log_line(given: Input) -> None:
    secret = "s3cret"
    text = latin(given)
    assert secret not in redact(f"/{text}?token={secret}") or secret in text
    assert printable(text).isprintable()
    assert len(printable(text)) <= 4 * 200 + 1
    request = MemoryRequest(f"/{text}", Headers.trusted([]), method=text[:30])
    assert describe_request(request).isprintable()


def header_fields(given: Input) -> None:
    headers = Headers()
    while given:
        name, value = given.text(given.byte() & 15), given.text(given.byte())
        try:
            headers.add(name, value)
        except ValueError:
            continue
        assert value.strip(" \t") in headers.get_all(name)
        assert "\n" not in headers[name]
        assert headers.get_list(name) == split_list(headers[name])
    try:
        refused = HandshakeRefused(300 + given.byte(), headers.fields())
    except ValueError:  # no status of a refusal
        return
    assert refused.headers == headers.fields()


def credentials(given: Input) -> None:
    fields = [
        ("Authorization", given.take(given.byte()).decode("latin-1")),
        ("Sec-WebSocket-Protocol", given.take(given.byte()).decode("latin-1")),
    ]
    request = MemoryRequest(f"/?{latin(given)}", Headers.trusted(fields))
    for source in (authorization_header, query_parameter("a"), sub_protocol_token()):
        token = source(request)
        assert token is None or token


PARSERS: tuple[Callable[[Input], None], ...] = (
    extensions,
    origin,
    origin_pattern,
    origin_policy,
    forwarded,
    path,
    path_pattern,
    path_template,
    log_line,
    header_fields,
    credentials,
)
