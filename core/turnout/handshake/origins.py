"""Which origins may connect (RFC 6455 section 10.2, RFC 6454).

Browsers let any page open a WebSocket anywhere and send the user's cookies along; the `Origin`
header is all that tells a server whose page it was. So the default is the server's own origin, and
more must be allowed: by a list, by patterns, or by `*`. A request without the header does not come
from a page and passes.

    OriginPolicy.of(origins=(), patterns=(), trusted_proxies=()) -> OriginPolicy
    OriginPolicy.combined_with(*others) -> OriginPolicy         what any of them allows
    OriginPolicy.objection(request) -> str | None               None when the request may pass
    combine(policies) -> OriginPolicy
    policy_of(handler) -> OriginPolicy                          from its `allowed_origins`
    OriginPolicyTable().add("/api/**", policy); .policy_for(raw_path) -> OriginPolicy
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Self

from turnout.errors import ConfigurationError
from turnout.handshake.proxies import TrustedProxies, is_forwarded
from turnout.handshake.redaction import printable
from turnout.paths import PathPattern

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest

__all__ = [
    "Origin",
    "OriginPattern",
    "OriginPolicy",
    "OriginPolicyTable",
    "combine",
    "policy_of",
    "request_origin",
]

ANY = "*"
NULL = "null"
"""What browsers send for pages without an origin: sandboxed frames, files."""

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+"
_AUTHORITY = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}))?\Z")
_PATTERN = re.compile(
    r"(?P<scheme>https?|\*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~*-]+)"
    r"(?::(?P<port>\*|[0-9]{1,5}|\[(?:\*|[0-9]{1,5}(?:,[0-9]{1,5})*)\]))?/?\Z"
)
_ENTRIES = re.compile(r"(?:\[[^\]]*\]|[^,\[]|\[)+")  # commas within brackets do not separate


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme (`http` or `https`), host in lower case, and port, the default one filled in."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Parse `https://example.org:8443`; ws counts as http and wss as https.

        One slash at the end is ignored; None for anything that is no origin.
        """
        scheme, separator, authority = text.removesuffix("/").partition("://")
        return cls.of(scheme, authority) if separator else None

    @classmethod
    def of(cls, scheme: str, authority: str) -> Origin | None:
        """Build an origin from a scheme and the value of a `Host` header, or return None."""
        known = _SCHEMES.get(scheme.lower())
        match = _AUTHORITY.match(authority)
        if known is None or match is None:
            return None
        host = _normal_host(match[1])
        port = int(match[2] or _DEFAULT_PORTS[known])
        return cls(known, host, port) if host is not None and 0 < port < 65536 else None

    def __str__(self) -> str:
        shown = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{shown}"


def _normal_host(host: str) -> str | None:
    if not host.startswith("["):
        return host.lower()
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except AddressValueError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class OriginPattern:
    """A set of origins: `https://*.example.org:[8080,8443]`.

    In the host `*` stands for any characters. The port is one number, a list, or `[*]` for any;
    without one, only the default port of the scheme matches. The scheme is http, https or `*`.
    """

    text: str
    _scheme: str
    _host: re.Pattern[str]
    _ports: frozenset[int] | None
    """None for any; empty for the default port."""

    @classmethod
    def parse(cls, text: str) -> OriginPattern:
        """Parse a pattern; raise `ConfigurationError` for a malformed one."""
        match = _PATTERN.match(text)
        if match is None:
            raise ConfigurationError(
                f"not a pattern of origins: {text!r}; write it like https://*.example.org:[*]"
            )
        port = (match["port"] or "").strip("[]")
        ports = None if port == ANY else frozenset(int(n) for n in port.split(",") if n)
        if not all(0 < number < 65536 for number in ports or ()):
            raise ConfigurationError(f"a port of {text!r} is not from 1 to 65535")
        return cls(text, match["scheme"], _host_pattern(match["host"]), ports)

    def matches(self, origin: Origin) -> bool:
        """Tell whether `origin` belongs to the set."""
        if self._scheme not in {ANY, origin.scheme} or not self._host.fullmatch(origin.host):
            return False
        if self._ports is None:
            return True
        return origin.port in (self._ports or {_DEFAULT_PORTS[origin.scheme]})


def _host_pattern(host: str) -> re.Pattern[str]:
    literal = _normal_host(host) or host
    return re.compile(r"[^:/]*".join(re.escape(piece) for piece in literal.split(ANY)))


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Which origins may connect, beside the server's own, which always may. Immutable.

    The server's own origin is the request's scheme and `Host`; behind a proxy it is what a
    forwarded header says, if the proxy is trusted.
    """

    origins: frozenset[Origin] = frozenset()
    patterns: tuple[OriginPattern, ...] = ()
    allows_any: bool = False
    allows_null: bool = False
    trusted_proxies: TrustedProxies = field(default_factory=TrustedProxies)

    @classmethod
    def of(
        cls,
        origins: str | Iterable[str] = (),
        patterns: str | Iterable[str] = (),
        trusted_proxies: str | Iterable[str] = (),
    ) -> Self:
        """Build a policy; entries may hold several values with commas between.

        `origins` start with http:// or https://, or are `*` or `null`; `patterns` are as
        `OriginPattern` takes them, or `*`; `trusted_proxies` as `TrustedProxies` does.
        Raises `ConfigurationError` for anything else.
        """
        listed, set_of_patterns = _entries(origins), _entries(patterns)
        named = {ANY, NULL}
        return cls(
            origins=frozenset(_parse_allowed(text) for text in listed if text not in named),
            patterns=tuple(OriginPattern.parse(text) for text in set_of_patterns if text != ANY),
            allows_any=ANY in listed or ANY in set_of_patterns,
            allows_null=NULL in listed,
            trusted_proxies=TrustedProxies.of(trusted_proxies),
        )

    def combined_with(self, *others: OriginPolicy) -> OriginPolicy:
        """Return a policy that allows what this one or any of the others allows."""
        return combine((self, *others))

    def allows(self, origin: Origin | None, header: str) -> bool:
        """Tell whether a foreign origin, sent as `header`, may connect."""
        if self.allows_any:
            return True
        if origin is None:
            return self.allows_null and header == NULL
        return origin in self.origins or any(p.matches(origin) for p in self.patterns)

    def objection(self, request: ServerHttpRequest) -> str | None:
        """Return why the request may not connect, in words for the log, or None if it may."""
        header = request.headers.get("origin")
        if header is None:
            return None
        if not header.strip():
            return "the Origin header is empty"
        origin = Origin.parse(header)
        own = request_origin(request, self.trusted_proxies)
        if (origin is not None and origin == own) or self.allows(origin, header):
            return None
        return (
            f"origin {printable(header)} is not {_describe(own, request)}, and not allowed"
            f"{self._advice(request)}"
        )

    def _advice(self, request: ServerHttpRequest) -> str:
        """Name the usual reason why a server behind a proxy refuses its own pages."""
        if self.trusted_proxies.trusts(request) or not is_forwarded(request.headers):
            return ""
        peer = request.remote_address
        name = peer[0] if isinstance(peer, tuple) else "unix"
        return f"; its forwarded headers do not count: {printable(name)} is no trusted proxy"


OWN_ORIGIN = OriginPolicy()
"""The default: nobody but the server's own pages."""


def request_origin(request: ServerHttpRequest, proxies: TrustedProxies) -> Origin | None:
    """Return the origin that the client asked for, as far as a trusted proxy has told."""
    scheme, authority = proxies.seen_by_client(request)
    return Origin.of(scheme, authority)


def combine(policies: Iterable[OriginPolicy]) -> OriginPolicy:
    """Return a policy that allows what any of `policies` allows: the server's own if none does."""
    every = [one for one in policies if one is not OWN_ORIGIN and one != OWN_ORIGIN]
    if len(every) < 2:  # by far the most common, and this runs for every handshake
        return every[0] if every else OWN_ORIGIN
    return OriginPolicy(
        origins=frozenset().union(*(policy.origins for policy in every)),
        patterns=tuple(dict.fromkeys(p for policy in every for p in policy.patterns)),
        allows_any=any(policy.allows_any for policy in every),
        allows_null=any(policy.allows_null for policy in every),
        trusted_proxies=TrustedProxies.joined(policy.trusted_proxies for policy in every),
    )


def policy_of(handler: object) -> OriginPolicy:
    """Return the policy that a handler states by `allowed_origins` and `allowed_origin_patterns`.

    Raises `ConfigurationError` for an origin that is malformed.
    """
    return OriginPolicy.of(
        getattr(handler, "allowed_origins", ()), getattr(handler, "allowed_origin_patterns", ())
    )


class OriginPolicyTable:
    """Policies by URL pattern: all patterns that match a path count together."""

    def __init__(self) -> None:
        self._policies: list[tuple[PathPattern, OriginPolicy]] = []

    def add(self, pattern: str, policy: OriginPolicy) -> None:
        """Apply `policy` to the paths of `pattern`, as `PathPattern` takes it."""
        self._policies.append((PathPattern(pattern), policy))

    def policy_for(self, raw_path: str) -> OriginPolicy:
        """Return the combined policy of a percent-encoded path."""
        if not self._policies:
            return OWN_ORIGIN
        return combine(policy for pattern, policy in self._policies if pattern.matches(raw_path))


def _entries(values: str | Iterable[str]) -> list[str]:
    texts = [values] if isinstance(values, str) else list(values)
    for text in texts:
        if not isinstance(text, str):
            raise ConfigurationError(f"an allowed origin is a string, unlike {text!r}")
    entries = [[entry.strip() for entry in _ENTRIES.findall(text)] for text in texts]
    if not all(found and all(found) for found in entries):
        raise ConfigurationError(f"an empty entry in the allowed origins {texts!r}")
    return [entry for found in entries for entry in found]


def _parse_allowed(text: str) -> Origin:
    origin = Origin.parse(text)
    if origin is None or not text.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"an allowed origin starts with http:// or https:// and has a host and no path, unlike"
            f" {text!r}; '*' allows all"
        )
    return origin


def _describe(own: Origin | None, request: ServerHttpRequest) -> str:
    if own is not None:
        return f"the server's own {own}"
    return f"the server's own (the Host header {printable(request.host)!r} names none)"
