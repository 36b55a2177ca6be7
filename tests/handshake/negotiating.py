"""Checking and negotiating a handshake, with defaults for what a test does not care about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.errors import HandshakeRefused
from turnout.handlers.base import TextWebSocketHandler
from turnout.handlers.traits import PreparedHandler, prepare
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.negotiated import Negotiated
from turnout.handshake.origins import OriginPolicy
from turnout.options import WebSocketOptions

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeRequest, FakeResponse

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
