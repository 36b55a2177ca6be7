"""Token authentication at the handshake, as an interceptor.

Browsers cannot set `Authorization` on a WebSocket, so a token may also come as a query parameter
or as an offered sub-protocol. Queries end up in logs: turnout never logs one unredacted, and
`turnout.handshake.redaction.RedactQueryFilter` covers the host's access log.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from turnout.errors import ConfigurationError
from turnout.handshake.handler import CREDENTIAL_OFFER, PRINCIPAL_ATTRIBUTE, CredentialOffer
from turnout.handshake.interceptors import HandshakeInterceptor
from turnout.handshake.refusal import refuse
from turnout.runtime import settle

if TYPE_CHECKING:
    from turnout.http import Principal, ServerHttpRequest, ServerHttpResponse

__all__ = [
    "TokenInterceptor",
    "TokenSource",
    "authorization_header",
    "query_parameter",
    "sub_protocol_token",
]

TokenSource: TypeAlias = "Callable[[ServerHttpRequest], str | None]"
"""Finds a token in a request, or returns None."""
Verify: TypeAlias = "Callable[[str], Awaitable[Principal | None] | Principal | None]"

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)\Z", re.IGNORECASE)  # RFC 6750 section 2.1


def authorization_header(request: ServerHttpRequest) -> str | None:
    """Return the token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1)."""
    match = _BEARER.match(request.headers.get("authorization", ""))
    return match[1] if match else None


def query_parameter(name: str = "token") -> TokenSource:
    """Return a source that reads the token from the query: `ws://host/path?token=TOKEN`."""

    def from_query(request: ServerHttpRequest) -> str | None:
        return request.query.get(name) or None

    return from_query


def sub_protocol_token(announced_by: str = "bearer") -> TokenSource:
    """Return a source that reads the token from the offered sub-protocols.

    In a browser: `new WebSocket(url, ["bearer", TOKEN])`. The offer after `announced_by` is the
    token. The handshake answers `bearer` when no other offer is spoken here, and never the token.
    """

    def from_offers(request: ServerHttpRequest) -> str | None:
        offers = request.headers.get_list("sec-websocket-protocol")
        for announced, token in itertools.pairwise(offers):
            if announced.lower() == announced_by.lower():
                request.attributes[CREDENTIAL_OFFER] = CredentialOffer(announced, token)
                return token
        return None

    return from_offers


class TokenInterceptor(HandshakeInterceptor):
    """Let in who brings a token that `verify` knows; answer 401 to everybody else.

    `verify(token)`, `def` or `async def`, returns the principal, which becomes
    `session.principal`, or None. The first of `sources` that finds a token decides. Raises
    `ConfigurationError` without a source.
    """

    def __init__(
        self,
        verify: Verify,
        sources: Iterable[TokenSource] = (
            authorization_header,
            query_parameter(),
            sub_protocol_token(),
        ),
    ) -> None:
        self._verify = verify
        self._sources = tuple(sources)
        if not self._sources:
            raise ConfigurationError("a TokenInterceptor needs a source to find tokens in")

    async def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: object,
        attributes: dict[str, Any],
    ) -> bool:
        """Find the token, verify it, and remember the principal."""
        token = self._find(request)
        if token is None:
            _refuse("A token is required.", "Bearer")
        principal = await settle(self._verify(token))
        if principal is None:
            _refuse("The token is not valid.", 'Bearer error="invalid_token"')
        attributes[PRINCIPAL_ATTRIBUTE] = principal
        return True

    def _find(self, request: ServerHttpRequest) -> str | None:
        found = (source(request) for source in self._sources)
        return next((token for token in found if token is not None), None)


def _refuse(sentence: str, challenge: str) -> NoReturn:
    refuse(401, sentence, headers=[("WWW-Authenticate", challenge)])
