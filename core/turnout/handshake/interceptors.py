"""What runs around a handshake: look at the request, fill the attributes, or refuse.

Of the project, only the service runs a chain:

    chain = InterceptorChain(interceptors, request, response, handler)     # one for each request
    await chain.before(attributes)       # raises HandshakeRefused, with all `after` already called
    await chain.after(exception)         # the rest went on: None, or what ended the handshake
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from turnout.errors import ConfigurationError, HandshakeRefused
from turnout.handshake.refusal import PLAIN_TEXT, describe_request, log_refusal
from turnout.runtime import settle

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse

__all__ = ["HandshakeInterceptor", "InterceptorChain", "prepare_interceptors"]

log: logging.Logger = logging.getLogger("turnout.handshake")


class HandshakeInterceptor:
    """Override one or both methods, each `def` or `async def`.

    They run inside the connection's task: a plain `def` must not block.
    """

    def before_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: object,
        attributes: dict[str, Any],
    ) -> Awaitable[bool | None] | bool | None:
        """Look at a handshake that has passed every check, before anything is negotiated.

        `attributes` becomes `session.attributes`; what is added to `response.headers` is sent with
        the 101 or the refusal. Return False or raise `HandshakeRefused` to refuse: False answers
        403, or `response.status` if that was set to a status of refusal. Any other exception is
        logged and answered 500 without detail. Answering by itself (`response.send`) refuses too.
        """
        return True

    def after_handshake(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: object,
        exception: BaseException | None,
    ) -> Awaitable[None] | None:
        """Learn how the handshake ended: `exception` is None after the 101, else what ended it.

        Called once, in reverse order, if this interceptor's own `before_handshake` has passed. A
        refusal by someone later is a `HandshakeRefused`. What this raises is logged and goes no
        further.
        """
        return None


def prepare_interceptors(
    interceptors: Iterable[HandshakeInterceptor],
) -> tuple[HandshakeInterceptor, ...]:
    """Return interceptors as a tuple; raise `ConfigurationError` for what is none."""
    prepared = tuple(interceptors)
    for interceptor in prepared:
        methods = ("before_handshake", "after_handshake")
        if isinstance(interceptor, type):
            raise ConfigurationError(
                f"register an interceptor, not its class: {interceptor.__qualname__}(...)"
            )
        if not all(callable(getattr(interceptor, name, None)) for name in methods):
            raise ConfigurationError(
                f"an interceptor has before_handshake and after_handshake, unlike {interceptor!r}"
            )
    return prepared


class InterceptorChain:
    """The interceptors of one handshake, and which of them have passed it."""

    __slots__ = ("_handler", "_interceptors", "_passed", "_request", "_response")

    def __init__(
        self,
        interceptors: Iterable[HandshakeInterceptor],
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        handler: object,
    ) -> None:
        self._interceptors = tuple(interceptors)
        self._request = request
        self._response = response
        self._handler = handler
        self._passed: list[HandshakeInterceptor] = []

    async def before(self, attributes: dict[str, Any]) -> None:
        """Ask every interceptor in order; raise `HandshakeRefused` if one does not pass.

        Those that had passed are told by then.
        """
        for interceptor in self._interceptors:
            try:
                await self._ask(interceptor, attributes)
            except HandshakeRefused as refused:
                log_refusal(self._request, refused, _label(interceptor))
                await self.after(refused)
                raise
            except Exception as error:
                log.exception(
                    "%s failed before the handshake; answered 500 (%s)",
                    _label(interceptor),
                    describe_request(self._request),
                )
                await self.after(error)
                raise _internal_error() from error
            except BaseException as error:  # cancelled: what they hold must still be given back
                await self.after(error)
                raise
            self._passed.append(interceptor)

    async def after(self, exception: BaseException | None) -> None:
        """Tell those that passed how it ended, the last one first; each is told once."""
        while self._passed:
            interceptor = self._passed.pop()
            try:
                told = interceptor.after_handshake(
                    self._request, self._response, self._handler, exception
                )
                await settle(told)
            except Exception:
                log.exception(
                    "%s failed after the handshake (%s)",
                    _label(interceptor),
                    describe_request(self._request),
                )

    async def _ask(self, interceptor: HandshakeInterceptor, attributes: dict[str, Any]) -> None:
        answer = interceptor.before_handshake(
            self._request, self._response, self._handler, attributes
        )
        passed = await settle(answer)
        if passed is False or self._response.started:  # who answers by himself has refused
            raise HandshakeRefused(_status_of_refusal(self._response.status))


def _status_of_refusal(status: int | None) -> int:
    """Return what the interceptor has set if that refuses, else 403: never a success."""
    return status if status is not None and 300 <= status <= 599 else 403


def _internal_error() -> HandshakeRefused:
    return HandshakeRefused(500, [PLAIN_TEXT], "The handshake failed on the server.")


def _label(interceptor: HandshakeInterceptor) -> str:
    return type(interceptor).__qualname__
