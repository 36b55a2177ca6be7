"""What an application answers to a request: it accepts, it closes, or it sends a response."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.utils import ClientDisconnected

from turnout.handshake.negotiated import response_headers
from turnout.headers import Headers
from turnout.strategy import Upgrade

if TYPE_CHECKING:
    from turnout.errors import HandshakeRefused
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension
    from turnout_adapters.asgi.types import Event, Scope
    from turnout_adapters.uvicorn.foreign import ForeignApplication
    from turnout_adapters.uvicorn.protocol import WebSocketProtocol
    from turnout_adapters.wsproto.views import H11Request, H11Response

__all__ = ["AsgiAnswer", "unexpected"]

log = logging.getLogger("uvicorn.error")

PLAIN_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
NOT_THE_APPLICATIONS: Final = frozenset(
    (
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields of a 101 that belong to the handshake; the sub-protocol is a key of its own."""


class AsgiAnswer:
    """The first events of an application, up to a handshake or the end of a response."""

    def __init__(
        self,
        host: WebSocketProtocol,
        request: H11Request,
        response: H11Response,
        scope: Scope,
        settings: ForeignApplication,
    ) -> None:
        self._host = host
        self._request = request
        self._response = response
        self._scope = scope
        self._settings = settings
        self._extensions: tuple[WebSocketExtension, ...] = ()
        self._deflate: DeflateParameters | None = None
        self._denial: tuple[int, Headers] | None = None
        self._finished = False

    def check(self) -> None:
        """Raise `HandshakeRefused` for a request that is no handshake."""
        self._extensions, self._deflate = self._settings.check(self._request)

    async def take(self, kind: str, event: Event) -> Upgrade | None:
        """Take an event; return the upgrade that an accept begins.

        Raises `RuntimeError` for an event that may not come now, `ClientDisconnected` when the
        client has gone.
        """
        if self._host.gone:
            raise ClientDisconnected
        if self._denial is not None:
            await self._deny(kind, event)
        elif self._response.started:
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after the request was answered.")
        elif kind == "websocket.accept":
            return self._upgrade(event.get("subprotocol") or None, _headers(event))
        elif kind == "websocket.close":
            self._host.log_answer(403)
            await self._response.send(403, self._with_defaults(Headers()))
        elif kind == "websocket.http.response.start":
            self._begin_denial(event)
        else:
            raise unexpected(
                "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'", kind
            )
        return None

    @property
    def is_given(self) -> bool:
        """True once a response has begun."""
        return self._response.started

    async def refuse(self, refused: HandshakeRefused) -> None:
        """Answer what `check` has raised."""
        self._host.log_answer(refused.status)
        await self._response.send(refused.status, refused.headers, refused.body)

    async def give_up(self, reason: str | None) -> None:
        """Answer 500 for an application that has ended without an answer; log a reason."""
        if not self._response.started and not self._host.gone:
            if reason is not None:
                log.error(reason)
            self._host.log_answer(500)
            fields = [PLAIN_TEXT, ("Connection", "close")]
            await self._response.send(500, fields, b"Internal Server Error")

    def _upgrade(self, sub_protocol: str | None, headers: Headers) -> Upgrade:
        if sub_protocol is not None and sub_protocol not in self._scope["subprotocols"]:
            raise RuntimeError(f"The client has not offered the subprotocol {sub_protocol!r}.")
        for name in headers:
            if name.lower() in NOT_THE_APPLICATIONS:
                raise RuntimeError(f"The header {name!r} of a handshake is the server's to set.")
        self._response.headers.extend(self._with_defaults(headers))
        return Upgrade(
            uri=self._request.uri,
            headers=self._request.headers,
            path_variables={},
            attributes={},
            principal=None,
            sub_protocol=sub_protocol,
            extensions=self._extensions,
            deflate=self._deflate,
            response_headers=response_headers(
                self._request, self._response, sub_protocol, self._extensions
            ),
            handler=self._settings.handler,
            options=self._settings.options,
            service=self._settings.service,
        )

    def _begin_denial(self, event: Event) -> None:
        status = event["status"]
        if not 200 <= status < 600:
            raise RuntimeError(f"Invalid HTTP status code '{status}' in response.")
        self._denial = status, self._with_defaults(_headers(event))
        self._host.log_answer(status)

    async def _deny(self, kind: str, event: Event) -> None:
        assert self._denial is not None
        if kind != "websocket.http.response.body" or self._finished:
            raise unexpected("'websocket.http.response.body'", kind)
        status, headers = self._denial
        body, more = event.get("body", b""), event.get("more_body", False)
        if self._response.started:
            await self._response.write(body)
        elif not more and "content-length" not in headers:
            await self._response.send(status, headers, body)
            self._finished = True
            return
        else:
            await self._response.start(status, headers)
            await self._response.write(body)
        if not more:
            await self._response.finish()
            self._finished = True

    def _with_defaults(self, headers: Headers) -> Headers:
        """Return the fields with uvicorn's own, `date` and `server`, where they have none."""
        fields = Headers()
        for name, value in self._host.default_headers:
            if name.decode("latin-1") not in headers:
                fields.add(name.decode("latin-1"), value.decode("latin-1"))
        fields.extend(headers)
        return fields


def unexpected(expected: str, kind: str) -> RuntimeError:
    """Return the error for an event that may not come now, in uvicorn's words."""
    return RuntimeError(f"Expected ASGI message {expected}, but got '{kind}'.")


def _headers(event: Event) -> Headers:
    given = event.get("headers") or ()
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in given)
