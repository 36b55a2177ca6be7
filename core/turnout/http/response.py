"""The view of an HTTP response that every adapter gives."""

from __future__ import annotations

from abc import ABC, abstractmethod

from turnout.headers import Headers, HeadersLike

__all__ = ["ServerHttpResponse"]


class ServerHttpResponse(ABC):
    """The answer to one HTTP request: sent whole, or started and streamed piece by piece.

    `headers` are added to whatever is answered: to the 101, to a refusal, to a page. `status` is
    the one that a refusal gets when an interceptor sets it and then returns False.
    """

    def __init__(self) -> None:
        self.headers: Headers = Headers()
        self.status: int | None = None
        self.started = False

    @abstractmethod
    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response; `Content-Length` is added. Ends the response."""

    @abstractmethod
    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers now; the body follows by `write`, its length not known yet."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send a piece of the body; returns when more may be written (back-pressure).

        Raises `ConnectionClosed` once the client has gone.
        """

    @abstractmethod
    async def finish(self) -> None:
        """End a streamed body."""

    @property
    @abstractmethod
    def disconnected(self) -> bool:
        """True once the client is known to have gone."""

    @abstractmethod
    async def wait_disconnected(self) -> None:
        """Return when the client has gone."""
