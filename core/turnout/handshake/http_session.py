"""Bring the user's HTTP session along: what a web application stored becomes session attributes.

Where sessions are kept is the host's business, so they are read by a *source*: a callable
`source(request, response, create) -> HttpSession | Mapping | None`, `def` or `async def`. The
sources for common stores are in `turnout_adapters.http_sessions`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from turnout.errors import ConfigurationError
from turnout.handshake.interceptors import HandshakeInterceptor
from turnout.runtime import settle

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse

__all__ = [
    "SESSION_ID_ATTRIBUTE",
    "HttpSession",
    "HttpSessionHandshakeInterceptor",
    "SessionSource",
]

SESSION_ID_ATTRIBUTE = "HTTP.SESSION.ID"
"""The session attribute that holds the id of the HTTP session, where its store gives it one."""


@dataclass(frozen=True, slots=True)
class HttpSession:
    """What a source found: the stored values, and the id if the store knows sessions by one."""

    values: Mapping[str, Any]
    id: str | None = None


Found: TypeAlias = HttpSession | Mapping[str, Any] | None
SessionSource: TypeAlias = Callable[
    ["ServerHttpRequest", "ServerHttpResponse", bool], Awaitable[Found] | Found
]
"""Returns the session of a request, or None; creates one if the flag says so."""


async def _host_session(
    request: ServerHttpRequest, response: ServerHttpResponse, create: bool
) -> Found:
    """Ask the request itself, which knows where its server keeps sessions, if it does."""
    return await request.http_session(create=create)


class HttpSessionHandshakeInterceptor(HandshakeInterceptor):
    """Copy values of the HTTP session into the attributes of the WebSocket session. Never refuses.

    `names` is None for all values, or the names to copy, or a predicate of a name. The id is
    copied under `SESSION_ID_ATTRIBUTE` unless `copy_session_id` is False. A session is created
    only with `create_session`; a source that cannot do that says so by `can_create = False`, and
    the combination raises `ConfigurationError`.
    """

    def __init__(
        self,
        names: Iterable[str] | Callable[[str], bool] | None = None,
        *,
        copy_session_id: bool = True,
        create_session: bool = False,
        source: SessionSource = _host_session,
    ) -> None:
        if create_session and not getattr(source, "can_create", True):
            raise ConfigurationError(
                f"{source!r} reads sessions and cannot create them: leave create_session out"
            )
        self._wanted = _predicate(names)
        self._copy_session_id = copy_session_id
        self._create_session = create_session
        self._source = source

    async def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: object,
        attributes: dict[str, Any],
    ) -> bool:
        """Copy what is wanted, if there is a session."""
        found = await settle(self._source(request, response, self._create_session))
        if found is None:
            return True
        session = found if isinstance(found, HttpSession) else HttpSession(found)
        attributes.update(
            (name, value) for name, value in session.values.items() if self._wanted(name)
        )
        if self._copy_session_id and session.id is not None:
            attributes[SESSION_ID_ATTRIBUTE] = session.id
        return True


def _predicate(names: Iterable[str] | Callable[[str], bool] | None) -> Callable[[str], bool]:
    if names is None:
        return lambda name: True
    if callable(names):
        return names
    chosen = frozenset([names] if isinstance(names, str) else names)
    return lambda name: name in chosen
