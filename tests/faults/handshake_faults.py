"""Faults of the opening handshake."""

from __future__ import annotations

import dataclasses
from typing import Any

import turnout.handshake.handler as handler_module
import turnout.handshake.negotiated as negotiated_module
from catalogue import fault, replace
from turnout import HandshakeHandler, HandshakeRefused
from turnout.handshake.interceptors import InterceptorChain
from turnout.handshake.refusal import refuse
from turnout.runtime import settle
from turnout.service import WebSocketService
from turnout.testing.rows import Row

BEFORE = "test_checks_come_before_interceptors"
ORDER = ("test_order_of_checks", BEFORE)


def nothing(*args: Any) -> None:
    """Check nothing."""


def leave_out(check: str) -> None:
    """Make one of the checks of the handshake pass whatever comes."""
    replace(HandshakeHandler, check, lambda _: nothing)


@fault(Row.ACCEPT, "test_accepted_handshake")
def wrong_accept_key() -> None:
    replace(negotiated_module, "accept_key", lambda right: lambda key: right(key[::-1]))


@fault(
    Row.METHOD,
    "test_method",
    *ORDER,
    "test_strange_method",
    "test_request_behind_a_broken_handshake",
)
def any_method() -> None:
    leave_out("check_method")


@fault(
    Row.HEADERS,
    "test_upgrade_header",
    *ORDER,
    "test_request_behind_no_upgrade",
)
def any_upgrade() -> None:
    leave_out("check_upgrade")


@fault(
    Row.HEADERS,
    "test_connection_header",
    *ORDER,
    "test_request_behind_no_upgrade",
)
def any_connection() -> None:
    leave_out("check_connection")


@fault(
    Row.HEADERS,
    "test_key",
    "test_two_keys",
    *ORDER,
    "test_request_behind_a_broken_handshake",
)
def any_key() -> None:
    leave_out("check_key")


@fault(Row.ACCEPT, "test_connection_is_a_list", "test_connection_in_two_lines")
def connection_is_no_list() -> None:
    def check(self: HandshakeHandler, request: Any) -> None:
        if request.headers.get("connection", "").lower() != "upgrade":
            refuse(400, 'The "Connection" header must include "upgrade".')

    replace(HandshakeHandler, "check_connection", lambda _: check)


@fault(
    Row.VERSION,
    "test_version",
    "test_second_try_on_one_connection",
    BEFORE,
    "test_two_versions",
    "test_declaration_of_handshake_checks",
)
def any_version() -> None:
    leave_out("check_version")


@fault(Row.VERSION, "test_version", "test_declaration_of_handshake_checks")
def spoken_version_not_named() -> None:
    def silent(check: Any) -> Any:
        def checked(self: HandshakeHandler, *args: Any) -> None:
            try:
                check(self, *args)
            except HandshakeRefused as refused:
                refused.headers = [f for f in refused.headers if f[0] != "Sec-WebSocket-Version"]
                raise

        return checked

    replace(HandshakeHandler, "check_version", silent)


@fault(
    Row.ORIGIN,
    "test_foreign_origin",
    "test_other_scheme_or_port",
    "test_forwarded_header_is_not_believed",
    "test_forwarded_header_of_a_trusted_proxy",
    "test_allowed_origins",
    BEFORE,
    "test_malformed_origin",
    "test_two_origins",
    "test_request_behind_a_foreign_origin",
)
def any_origin() -> None:
    leave_out("check_origin")


@fault(Row.REFUSAL, BEFORE)
def interceptors_before_the_checks() -> None:
    right = HandshakeHandler.check

    def check(self: HandshakeHandler, request: Any, *args: Any) -> None:
        request.attributes["postponed"] = lambda: right(self, request, *args)

    def late(negotiate: Any) -> Any:
        async def negotiated(self: HandshakeHandler, request: Any, *args: Any) -> Any:
            request.attributes.pop("postponed")()
            return await negotiate(self, request, *args)

        return negotiated

    replace(HandshakeHandler, "check", lambda _: check)
    replace(HandshakeHandler, "negotiate", late)


@fault(
    Row.REFUSAL,
    "test_refused_with_status_headers_and_body",
    "test_headers_of_earlier_interceptors",
    "test_refused_by_false",
    "test_raising_interceptor",
    "test_refusal_ends_the_handshake",
    "test_header_injection",
    "test_refused_with_the_status_that_was_set",
    "test_refusal_that_may_not_be_sent",
    "test_refusal_is_no_101",
    "test_declaration_of_plain_refusals",
    "test_request_behind_a_refusal",
)
def late_refusal() -> None:
    def unheard(before: Any) -> Any:
        async def asked(self: InterceptorChain, attributes: dict[str, Any]) -> None:
            try:
                await before(self, attributes)
            except HandshakeRefused:
                attributes["refused"] = True  # to be dealt with after the 101

        return asked

    replace(InterceptorChain, "before", unheard)


@fault(Row.REFUSAL, "test_refused_with_status_headers_and_body")
def lost_body_of_a_refusal() -> None:
    def losing(ask: Any) -> Any:
        async def asked(self: InterceptorChain, *args: Any) -> None:
            try:
                await ask(self, *args)
            except HandshakeRefused as refused:
                refused.body = b""
                raise

        return asked

    replace(InterceptorChain, "_ask", losing)


@fault(
    Row.REFUSAL,
    "test_refused_by_false",
    "test_refused_with_the_status_that_was_set",
    "test_request_behind_a_refusal",
)
def false_is_no_refusal() -> None:
    async def ask(self: InterceptorChain, interceptor: Any, attributes: dict[str, Any]) -> None:
        answer = interceptor.before_handshake(
            self._request, self._response, self._handler, attributes
        )
        await settle(answer)

    replace(InterceptorChain, "_ask", lambda _: ask)


@fault(Row.PROTOCOLS, "test_chosen_protocol", "test_required_protocol")
def order_of_the_server() -> None:
    def select(self: Any, offered: list[str], spoken: tuple[str, ...]) -> str | None:
        lowered = {offer.lower(): offer for offer in reversed(offered)}
        return next((lowered[name.lower()] for name in spoken if name.lower() in lowered), None)

    replace(HandshakeHandler, "select_sub_protocol", lambda _: select)


@fault(
    Row.PROTOCOLS, "test_no_protocol_in_common", "test_chosen_protocol", "test_required_protocol"
)
def protocol_that_was_not_offered() -> None:
    def select(self: Any, offered: list[str], spoken: tuple[str, ...]) -> str | None:
        return spoken[0] if spoken else None

    replace(HandshakeHandler, "select_sub_protocol", lambda _: select)


@fault(Row.DEFLATE, "test_accepted_offer", "test_declined_offer")
def windows_of_15_bits() -> None:
    def widen(negotiate: Any) -> Any:
        return lambda offers, ours: negotiate(offers, dataclasses.replace(ours, window_bits=15))

    replace(handler_module, "negotiate_deflate", widen)


@fault(Row.FULL, "test_server_full")
def room_for_everyone() -> None:
    replace(WebSocketService, "_check_room", lambda _: nothing)


@fault(Row.RUNTIME, "test_context_variables")
def context_left_behind() -> None:
    import asyncio

    def apart(before: Any) -> Any:
        async def asked(self: InterceptorChain, attributes: dict[str, Any]) -> None:
            await asyncio.create_task(before(self, attributes))

        return asked

    replace(InterceptorChain, "before", apart)
