"""The server's side of the opening handshake (RFC 6455 section 4.2).

`HandshakeHandler` decides in two steps, between which the interceptors run:

    handler.check(request, versions: Sequence[str], origins: OriginPolicy) -> None
        everything about the request itself; the first check that fails raises HandshakeRefused
    await handler.negotiate(request, response, handler: PreparedHandler, attributes,
                            options: WebSocketOptions, capabilities: Capabilities) -> Negotiated
        sub-protocol, extensions, principal, and the header fields of the 101

Refusals are logged here; who calls has only to write them.
"""

from __future__ import annotations

import binascii
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from turnout.errors import HandshakeRefused, UsageError
from turnout.handlers.checks import sub_protocol_names
from turnout.handshake.negotiated import Negotiated, response_headers
from turnout.handshake.redaction import printable
from turnout.handshake.refusal import log_refusal, refuse
from turnout.headers import split_list
from turnout.protocol.extensions import (
    InvalidExtensionsError,
    negotiate_deflate,
    parse_extensions,
)
from turnout.runtime import settle

if TYPE_CHECKING:
    from turnout.capabilities import Capabilities
    from turnout.handlers.traits import PreparedHandler
    from turnout.handshake.origins import OriginPolicy
    from turnout.http import Principal, ServerHttpRequest, ServerHttpResponse
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension

__all__ = [
    "CREDENTIAL_OFFER",
    "PRINCIPAL_ATTRIBUTE",
    "CredentialOffer",
    "HandshakeHandler",
]

PRINCIPAL_ATTRIBUTE = "turnout.principal"
"""The session attribute by which an interceptor names the user."""

CREDENTIAL_OFFER = "turnout.credential_offer"
"""The request attribute by which an interceptor marks a token among the sub-protocols."""

WEBSOCKET = "websocket"


@dataclass(frozen=True, slots=True, eq=False)
class CredentialOffer:
    """A token that travels as an offered sub-protocol, after the one that announces it."""

    announced_by: str
    token: str = field(repr=False)


class HandshakeHandler:
    """Checks and negotiates handshakes; override a method to change that step.

    `sub_protocols` are spoken besides those of the WebSocket handler. With `require_sub_protocol`
    a client that offers none of them is refused, else it is accepted without one.
    Raises `ConfigurationError` for a name that is no sub-protocol's.
    """

    def __init__(
        self, *, sub_protocols: str | Iterable[str] = (), require_sub_protocol: bool = False
    ) -> None:
        self.sub_protocols: tuple[str, ...] = sub_protocol_names(sub_protocols)
        self.require_sub_protocol = require_sub_protocol

    # The request itself

    def check(
        self, request: ServerHttpRequest, versions: Sequence[str], origins: OriginPolicy
    ) -> None:
        """Raise `HandshakeRefused` by the first check that fails; nothing was sent or run yet."""
        try:  # not by `logged_refusal`, which costs as much as some of the checks
            self._check_in_order(request, versions, origins)
        except HandshakeRefused as refused:
            log_refusal(request, refused, type(self).__qualname__)
            raise

    def _check_in_order(
        self, request: ServerHttpRequest, versions: Sequence[str], origins: OriginPolicy
    ) -> None:
        self.check_fields(request)
        self.check_method(request)
        if request.method == "GET":
            self.check_http_version(request)
            self.check_host(request)
            self.check_upgrade(request)
            self.check_connection(request)
            self.check_key(request)
            self.check_body(request)
        self.check_version(request, versions)
        self.check_origin(request, origins)

    def check_fields(self, request: ServerHttpRequest) -> None:
        """Refuse header fields that no client may send with 400; not every server looks."""
        try:
            request.headers.check()
        except ValueError as error:
            refuse(400, "A header field of the request is malformed.", detail=str(error))

    def check_host(self, request: ServerHttpRequest) -> None:
        """Refuse with 400 unless there is one `Host` (section 4.2.1; RFC 9112 section 3.2)."""
        if len(request.headers.get_all("host")) != 1:
            refuse(400, 'A WebSocket handshake has one "Host" header.')

    def check_method(self, request: ServerHttpRequest) -> None:
        """Refuse what is neither GET nor, from HTTP/2 on, an extended CONNECT with 405."""
        if request.method == "GET":
            return
        multiplexed = request.http_version.startswith(("2", "3"))
        if not multiplexed or request.method != "CONNECT" or request.connect_protocol is None:
            allowed = "CONNECT" if multiplexed else "GET"
            refuse(
                405,
                f"A WebSocket handshake uses {allowed}.",
                headers=[("Allow", allowed)],
            )
        if request.connect_protocol.lower() != WEBSOCKET:
            refuse(400, 'The ":protocol" must be "websocket".')

    def check_http_version(self, request: ServerHttpRequest) -> None:
        """Refuse HTTP/1.0, which cannot upgrade, with 400."""
        if request.http_version in {"0.9", "1.0"}:
            refuse(400, "A WebSocket handshake needs HTTP/1.1.")

    def check_upgrade(self, request: ServerHttpRequest) -> None:
        """Refuse with 400 unless `Upgrade` lists websocket, in any case."""
        if not _lists(request, "upgrade", WEBSOCKET):
            refuse(
                400,
                'The "Upgrade" header must be "websocket".',
                detail=f"Upgrade is {_shown(request, 'upgrade')}",
            )

    def check_connection(self, request: ServerHttpRequest) -> None:
        """Refuse with 400 unless `Connection` lists upgrade, in any case and on any line."""
        if not _lists(request, "connection", "upgrade"):
            refuse(
                400,
                'The "Connection" header must include "upgrade".',
                detail=f"Connection is {_shown(request, 'connection')}",
            )

    def check_key(self, request: ServerHttpRequest) -> None:
        """Refuse with 400 unless there is one key, 16 bytes in base64."""
        keys = request.headers.get_all("sec-websocket-key")
        if len(keys) != 1 or not _is_key(keys[0]):
            refuse(400, 'The "Sec-WebSocket-Key" header must be 16 bytes in base64, once.')

    def check_body(self, request: ServerHttpRequest) -> None:
        """Refuse a request with a body with 400: its bytes would be taken for frames."""
        lengths = request.headers.get_all("content-length")
        if "transfer-encoding" in request.headers or any(length != "0" for length in lengths):
            refuse(400, "A WebSocket handshake has no body.")

    def check_version(self, request: ServerHttpRequest, versions: Sequence[str]) -> None:
        """Refuse with 426, naming what is spoken, a version that is not (section 4.4)."""
        sent = request.headers.get_all("sec-websocket-version")
        if len(sent) != 1 or sent[0] not in versions:
            spoken = ", ".join(versions)
            refuse(
                426,
                f'The "Sec-WebSocket-Version" header must be {" or ".join(versions)}.',
                headers=[("Sec-WebSocket-Version", spoken)],
                detail=f"Sec-WebSocket-Version is {_shown(request, 'sec-websocket-version')}",
            )

    def check_origin(self, request: ServerHttpRequest, origins: OriginPolicy) -> None:
        """Refuse a foreign origin that the policy does not allow with 403."""
        objection = origins.objection(request)
        if objection is not None:
            refuse(
                403,
                "The origin is not allowed.",
                detail=objection,
            )

    # What both sides agree on

    async def negotiate(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: PreparedHandler,
        attributes: dict[str, Any],
        options: WebSocketOptions,
        capabilities: Capabilities,
    ) -> Negotiated:
        """Agree on sub-protocol, extensions and user; raise `HandshakeRefused` if that fails."""
        try:  # as in `check`
            sub_protocol = self._agree_on_sub_protocol(request, handler.sub_protocols)
            extensions, deflate = self.negotiate_extensions(request, options, capabilities)
            user = self.determine_user(request, handler.original, attributes)
            principal: Principal | None = None
            if user is not None:
                principal = await settle(user)
        except HandshakeRefused as refused:
            log_refusal(request, refused, type(self).__qualname__)
            raise
        return Negotiated(
            sub_protocol=sub_protocol,
            extensions=extensions,
            deflate=deflate,
            principal=principal,
            response_headers=response_headers(request, response, sub_protocol, extensions),
        )

    def select_sub_protocol(
        self, offered: Sequence[str], spoken_by_handler: Sequence[str]
    ) -> str | None:
        """Return the first offer that either side of the server speaks, as the client spelt it.

        Case makes no difference. An override that returns anything but one of `offered`, or None,
        fails the handshake with 500 (section 4.2.2).
        """
        if not offered:
            return None
        spoken = {name.lower() for name in (*spoken_by_handler, *self.sub_protocols)}
        return next((offer for offer in offered if offer.lower() in spoken), None)

    def negotiate_extensions(
        self, request: ServerHttpRequest, options: WebSocketOptions, capabilities: Capabilities
    ) -> tuple[tuple[WebSocketExtension, ...], DeflateParameters | None]:
        """Accept permessage-deflate if it is offered, configured and in the engine's power.

        A malformed header is refused with 400, whether or not compression is on (section 9.1).
        """
        try:
            offers = parse_extensions(request.headers.get_all("sec-websocket-extensions"))
        except InvalidExtensionsError:
            refuse(400, 'The "Sec-WebSocket-Extensions" header is malformed.')
        if options.compression is None or not capabilities.deflate:
            return (), None
        deflate = negotiate_deflate(offers, options.compression)
        return (() if deflate is None else (deflate.extension,)), deflate

    def determine_user(
        self, request: ServerHttpRequest, handler: object, attributes: dict[str, Any]
    ) -> Awaitable[Principal | None] | Principal | None:
        """Return who connects: whom an interceptor has named, else whom the host knows.

        An override may be `def` or `async def`, and may raise `HandshakeRefused`.
        """
        named: Principal | None = attributes.get(PRINCIPAL_ATTRIBUTE)
        return request.principal if named is None else named

    def _agree_on_sub_protocol(
        self, request: ServerHttpRequest, spoken_by_handler: Sequence[str]
    ) -> str | None:
        offered = request.headers.get_list("sec-websocket-protocol")
        credential: CredentialOffer | None = request.attributes.get(CREDENTIAL_OFFER)
        if credential is not None:
            offered = [offer for offer in offered if offer != credential.token]
        selected = self.select_sub_protocol(offered, spoken_by_handler)
        if selected is not None:
            if selected not in offered:
                raise UsageError(
                    f"select_sub_protocol() of {type(self).__qualname__} has chosen the"
                    f" sub-protocol {selected!r}, which the client has not offered"
                )
            return selected
        if self.require_sub_protocol:
            refuse(400, "None of the offered sub-protocols is spoken here.")
        # Browsers fail a connection whose offers are all left unanswered.
        return None if credential is None else credential.announced_by


def _lists(request: ServerHttpRequest, name: str, member: str) -> bool:
    value = request.headers.get(name, "").lower()
    return value == member or member in split_list(value)


def _shown(request: ServerHttpRequest, name: str) -> str:
    value = request.headers.get(name)
    return "missing" if value is None else repr(printable(value))


def _is_key(key: str) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except (binascii.Error, ValueError):
        return False
