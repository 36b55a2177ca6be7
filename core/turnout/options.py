"""The options of a WebSocket: one meaning per field on every engine."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from turnout.errors import ConfigurationError, UnknownOptionError, UnsupportedOptionError

if TYPE_CHECKING:
    from turnout.capabilities import Capabilities

__all__ = ["Deflate", "Overflow", "WebSocketOptions"]

KIB = 1024
MIB = 1024 * KIB
T = TypeVar("T")


class Overflow(Enum):
    """What happens to a session whose peer reads too slowly."""

    TERMINATE = "terminate"
    """Close it with 4500."""
    DROP = "drop"
    """Drop its oldest waiting messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """Settings of permessage-deflate (RFC 7692).

    `window_bits` (9 to 15) bounds both directions; an offer that cannot be bounded is declined.
    Messages shorter than `threshold` bytes are sent uncompressed.
    """

    window_bits: int = 12
    memory_level: int = 5
    threshold: int = 64

    def __post_init__(self) -> None:
        for name, low, high in (("window_bits", 9, 15), ("memory_level", 1, 9)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigurationError(f"{name} takes {low} to {high}, not {value!r}")
        if type(self.threshold) is not int or self.threshold < 0:
            raise ConfigurationError(f"threshold takes a number of bytes, not {self.threshold!r}")


class _Default:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def _option(default: T, unit: str, meaning: str) -> T:
    return cast(T, field(default=_Default(default), metadata={"unit": unit, "meaning": meaning}))


@dataclass(frozen=True, kw_only=True)
class WebSocketOptions:
    """Limits, timeouts and compression of a registry or of one handler.

    Sizes are in bytes, times in seconds; limits are inclusive. `None` means unlimited.
    `explicit` holds the names that were given; an engine that cannot honour one of those raises
    when it starts. Raises `ConfigurationError` for a value out of range.
    """

    max_text_size: int | None = _option(1 * MIB, "bytes", "largest text message")
    max_binary_size: int | None = _option(1 * MIB, "bytes", "largest binary message")
    max_total_size: int | None = _option(
        16 * MIB, "bytes", "largest message of a handler that takes it in pieces"
    )
    receive_buffer: int | None = _option(
        64 * KIB, "bytes", "received and not yet handled; one message more may wait"
    )
    send_timeout: float | None = _option(10.0, "seconds", "time for one message to be taken")
    send_buffer: int | None = _option(
        512 * KIB, "bytes", "waiting to be sent; one message more may wait"
    )
    overflow: Overflow = _option(Overflow.TERMINATE, "", "what a slow reader's session gets")
    ping_interval: float | None = _option(20.0, "seconds", "time between pings")
    ping_timeout: float | None = _option(20.0, "seconds", "time for a pong to come")
    idle_timeout: float | None = _option(None, "seconds", "time without a message either way")
    handshake_timeout: float | None = _option(10.0, "seconds", "time for the request to arrive")
    close_timeout: float = _option(10.0, "seconds", "time for the peer and the handler to end")
    compression: Deflate | None = _option(None, "", "permessage-deflate, off by default")
    max_connections: int | None = _option(10_000, "", "open sessions; more get 503")
    explicit: frozenset[str] = field(default=frozenset(), init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        given = set()
        for option in fields(self):
            value = getattr(self, option.name)
            if isinstance(value, _Default):
                object.__setattr__(self, option.name, value.value)
            elif option.init:
                given.add(option.name)
                _check(option.name, value)
        object.__setattr__(self, "explicit", frozenset(given))

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> WebSocketOptions:
        """Build options by name; raise `UnknownOptionError` with the nearest name."""
        for name in values:
            if name not in cls.names():
                raise UnknownOptionError(_unknown(name, cls.names()))
        return cls(**values)

    @classmethod
    def names(cls) -> list[str]:
        """Return the name of every option."""
        return [option.name for option in fields(cls) if option.init]

    def overridden_by(self, other: WebSocketOptions) -> WebSocketOptions:
        """Return these options with what `other` sets explicitly."""
        values = {name: getattr(self, name) for name in self.explicit}
        values.update((name, getattr(other, name)) for name in other.explicit)
        return WebSocketOptions(**values)

    def check_supported(self, engine: str, capabilities: Capabilities) -> None:
        """Raise `UnsupportedOptionError`, naming the engines that can, when `engine` cannot.

        Only what was set explicitly counts.
        """
        for name in sorted(self.explicit):
            if getattr(self, name) is not None and not capabilities.can_honour(name):
                raise UnsupportedOptionError(_unsupported(name, engine))

    def check_mounted(self) -> None:
        """Raise `UnsupportedOptionError` for what a server sets, not an application in it."""
        if "handshake_timeout" in self.explicit and self.handshake_timeout is not None:
            raise UnsupportedOptionError(
                "handshake_timeout cannot be honoured in a mounted application: the host reads the"
                " request; set the host's own limit and leave this one out"
            )


def _unsupported(name: str, engine: str) -> str:
    from turnout.plugins import able_to_honour

    able = ", ".join(able_to_honour(name))
    instead = f"choose one that can: {able}" if able else "no engine that is installed here can"
    return f"the engine {engine!r} cannot honour {name}; leave it out, or {instead}"


def _unknown(name: str, known: list[str]) -> str:
    import difflib  # not at import: most programs never need it

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
    return f"no option is called {name!r}{hint}"


_REQUIRED = {"overflow": Overflow, "close_timeout": float}
_NUMBERS_FROM_ZERO = {"receive_buffer", "send_buffer"}


def _check(name: str, value: object) -> None:
    if value is None and name not in _REQUIRED:
        return
    if name == "compression":
        _expect(isinstance(value, Deflate), name, "a Deflate object or None", value)
    elif name == "overflow":
        _expect(isinstance(value, Overflow), name, "Overflow.TERMINATE or Overflow.DROP", value)
    elif name.endswith(("_timeout", "_interval")):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _expect(number and 0 < cast(float, value) < 1e9, name, "seconds over 0", value)
    else:
        lowest = 0 if name in _NUMBERS_FROM_ZERO else 1
        fits = type(value) is int and value >= lowest
        _expect(fits, name, f"a whole number from {lowest}", value)


def _expect(holds: bool, name: str, wanted: str, value: object) -> None:
    if not holds:
        raise ConfigurationError(f"{name} takes {wanted}, not {value!r}")
