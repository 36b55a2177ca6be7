"""Whose word counts when a proxy says what the client asked for (RFC 7239 and X-Forwarded-*)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, TypeAlias

from turnout.errors import ConfigurationError
from turnout.headers import split_list

if TYPE_CHECKING:
    from turnout.headers import Headers
    from turnout.http import ServerHttpRequest

__all__ = ["TrustedProxies", "is_forwarded"]

Network: TypeAlias = IPv4Network | IPv6Network
UNIX = "unix"

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR = re.compile(rf'\s*({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")\s*(?:;|\Z)')
# Commas within quotes do not separate; a quote left open takes all that follows, once.
_ELEMENTS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++')
_FORWARDED = ("forwarded", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")
_PORT = re.compile(r":[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy told of the request it received; empty strings for what it did not."""

    client: str = ""
    scheme: str = ""
    host: str = ""
    port: str = ""


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose forwarded headers are believed; nobody's by default.

    The last proxy in a row adds its words at the end, so they are read from the end, and only as
    far as each proxy was itself reached from a trusted one: what a client has put in front counts
    for nothing.
    """

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def of(cls, entries: str | Iterable[str]) -> TrustedProxies:
        """Take addresses, networks (`10.0.0.0/8`) and `unix`, for peers on a Unix socket.

        Raises `ConfigurationError` for anything else.
        """
        texts = [entries] if isinstance(entries, str) else list(entries)
        names = [name for text in texts for name in split_list(text)]
        networks = dict.fromkeys(_parse_network(name) for name in names if name != UNIX)
        return cls(tuple(networks), UNIX in names)

    @classmethod
    def joined(cls, several: Iterable[TrustedProxies]) -> TrustedProxies:
        """Return what trusts everyone that one of `several` trusts."""
        every = tuple(several)
        networks = dict.fromkeys(network for one in every for network in one.networks)
        return cls(tuple(networks), any(one.unix for one in every))

    def __bool__(self) -> bool:
        return bool(self.networks) or self.unix

    def trusts(self, request: ServerHttpRequest) -> bool:
        """Tell whether the peer of the request's socket is a trusted proxy."""
        remote = request.remote_address
        if isinstance(remote, tuple):
            return self._trusts_address(remote[0])
        # The peer of a Unix socket seldom has a name; this end always has.
        return self.unix and isinstance(remote or request.local_address, str)

    def seen_by_client(self, request: ServerHttpRequest) -> tuple[str, str]:
        """Return scheme and authority (as in `Host`) of the URL that the client opened."""
        scheme, authority = request.scheme, request.host
        if not self or not self.trusts(request):
            return scheme, authority
        hops = self._trusted_hops(_hops(request.headers))
        scheme = _first(hop.scheme for hop in hops) or scheme
        host = _first(hop.host for hop in hops)
        port = _first(hop.port for hop in hops)
        return scheme, _authority(host, port, authority)

    def _trusted_hops(self, hops: list[Hop]) -> list[Hop]:
        """Return what trusted proxies said, the farthest from us first."""
        believed: list[Hop] = []
        for hop in reversed(hops):
            believed.insert(0, hop)
            if not self._trusts_address(_node_address(hop.client)):
                break
        return believed

    def _trusts_address(self, text: str) -> bool:
        try:
            address = _unmapped(ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def is_forwarded(headers: Headers) -> bool:
    """Tell whether a proxy, or a client posing as one, says what was asked of it."""
    return any(name in headers for name in _FORWARDED)


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"not a trusted proxy: {error}; give an address, a network like 10.0.0.0/8, or 'unix'"
        ) from None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that a dual-stack socket shows as `::ffff:192.0.2.1`."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _authority(host: str, port: str, received: str) -> str:
    """Put the forwarded host and port together; a port within the forwarded host is the closest."""
    if (host and _PORT.search(host)) or not port:
        return host or received
    return f"{_PORT.sub('', host or received)}:{port}"


def _hops(headers: Headers) -> list[Hop]:
    if "forwarded" in headers:
        return [_parse_element(element) for element in _ELEMENTS.findall(headers["forwarded"])]
    return _x_forwarded_hops(headers)


def _x_forwarded_hops(headers: Headers) -> list[Hop]:
    """Read the four lists from their ends; a proxy that replaces leaves one value in its list."""
    columns = [
        list(reversed(headers.get_list(f"x-forwarded-{name}")))
        for name in ("for", "proto", "host", "port")
    ]
    length = max(map(len, columns))
    rows = zip(*(column + [""] * (length - len(column)) for column in columns), strict=True)
    return [Hop(*row) for row in rows][::-1]


def _parse_element(element: str) -> Hop:
    """Parse one element of `Forwarded`; a malformed one says nothing (RFC 7239 section 4)."""
    pairs: dict[str, str] = {}
    position = 0
    while position < len(element):
        pair = _PAIR.match(element, position)
        if pair is None or pair[1].lower() in pairs:
            return Hop()
        pairs[pair[1].lower()] = _unquote(pair[2])
        position = pair.end()
    return Hop(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", ""))


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _node_address(node: str) -> str:
    """Return the address in a node of `Forwarded`: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node
