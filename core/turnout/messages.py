"""The messages of a WebSocket: immutable, and cheap enough to make one per frame."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

__all__ = ["BinaryMessage", "DataMessage", "Message", "PingMessage", "PongMessage", "TextMessage"]

_set = object.__setattr__


class _Parts:
    __slots__ = ("is_first", "is_last", "payload")

    payload: Any
    is_first: bool
    is_last: bool


class Message(_Parts):
    """Base of all messages: a payload that never changes, and its place in a fragmented message.

    `is_first` and `is_last` are both true for a whole message. A handler that asked for partial
    messages gets the pieces as they come: the first has `is_first`, the last has `is_last`.
    """

    __slots__ = ()
    kind: ClassVar[str] = "message"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; make a new one")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.payload, self.is_first, self.is_last) == (
            other.payload,
            other.is_first,
            other.is_last,
        )

    def __hash__(self) -> int:
        return hash((type(self), self.payload))

    def __repr__(self) -> str:
        """Show at most ten characters: payloads are the users' data, and logs are kept."""
        shown = repr(self.payload[:10]) + ("..." if len(self.payload) > 10 else "")
        partial = "" if self.is_whole else f", is_first={self.is_first}, is_last={self.is_last}"
        return f"{type(self).__name__}({shown}, length={len(self.payload)}{partial})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).restore, (self.payload, self.is_first, self.is_last)

    @classmethod
    def restore(cls, payload: Any, is_first: bool, is_last: bool) -> Message:
        """Make a message of parts that were checked before; the driver and pickle use it."""
        message = cls.__new__(cls)
        _set(message, "payload", payload)
        _set(message, "is_first", is_first)
        _set(message, "is_last", is_last)
        return message

    @property
    def is_whole(self) -> bool:
        """True unless this is a piece of a fragmented message."""
        return self.is_first and self.is_last


class TextMessage(Message):
    """A text message, or a piece of one: `payload` is a `str`."""

    __slots__ = ()
    kind = "text"
    payload: str

    def __init__(self, payload: str, *, is_first: bool = True, is_last: bool = True) -> None:
        if not isinstance(payload, str):
            raise TypeError(f"a text message holds str, not {type(payload).__name__}")
        _set(self, "payload", payload)
        _set(self, "is_first", is_first)
        _set(self, "is_last", is_last)


class BinaryMessage(Message):
    """A binary message, or a piece of one: `payload` is `bytes`, copied from what is given."""

    __slots__ = ()
    kind = "binary"
    payload: bytes

    def __init__(
        self,
        payload: bytes | bytearray | memoryview,
        *,
        is_first: bool = True,
        is_last: bool = True,
    ) -> None:
        if type(payload) is not bytes:
            if not isinstance(payload, (bytes, bytearray, memoryview)):
                raise TypeError(f"a binary message holds bytes, not {type(payload).__name__}")
            payload = bytes(payload)
        _set(self, "payload", payload)
        _set(self, "is_first", is_first)
        _set(self, "is_last", is_last)


class _ControlMessage(Message):
    __slots__ = ()
    payload: bytes

    def __init__(self, payload: bytes | bytearray | memoryview = b"") -> None:
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            raise TypeError(f"a {self.kind} carries bytes, not {type(payload).__name__}")
        data = bytes(payload)  # a memoryview counts in items of its own size
        if len(data) > 125:
            raise ValueError(
                f"a {self.kind} carries at most 125 bytes, not {len(data)} (RFC 6455 section 5.5)"
            )
        _set(self, "payload", data)
        _set(self, "is_first", True)
        _set(self, "is_last", True)


class PingMessage(_ControlMessage):
    """A ping; the engine answers it, a handler that asks for pings sees it."""

    __slots__ = ()
    kind = "ping"


class PongMessage(_ControlMessage):
    """A pong, solicited or not; sending one is a one-way heartbeat (RFC 6455 section 5.5.3)."""

    __slots__ = ()
    kind = "pong"


DataMessage: TypeAlias = TextMessage | BinaryMessage


class _Draft(_Parts):
    """What is to be a message: to set the slots of an immutable one takes three times as long."""

    __slots__ = ()


def whole_text(payload: str) -> TextMessage:
    """Make a whole message of what is a `str` for certain: the driver's way."""
    message = _Draft()
    message.payload = payload
    message.is_first = True
    message.is_last = True
    message.__class__ = TextMessage  # type: ignore[assignment]  # it has the same slots
    return message  # type: ignore[return-value]  # as of now


def whole_binary(payload: bytes) -> BinaryMessage:
    """Make a whole message of what is `bytes` for certain: the driver's way."""
    message = _Draft()
    message.payload = payload
    message.is_first = True
    message.is_last = True
    message.__class__ = BinaryMessage  # type: ignore[assignment]  # as above
    return message  # type: ignore[return-value]  # as above
