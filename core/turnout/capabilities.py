"""What an engine can do: typed data, read by the suite, by errors and by the docs."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Capabilities"]


def _capability(default: bool, meaning: str) -> bool:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a strategy may declare away; everything else is expected of every engine.

    The conformance suite proves each value both ways: claimed and not shown fails, denied and
    shown fails too. From `handshake_checks` to `close_details` is what a foreign ASGI host may take
    before it reaches turnout.
    """

    deflate: bool = _capability(True, "permessage-deflate (RFC 7692) within the configured bounds")
    partial_messages: bool = _capability(True, "pieces of a fragmented message as they arrive")
    partial_send: bool = _capability(True, "outbound messages sent as several frames")
    ping_round_trip: bool = _capability(True, "session.ping() measures a round trip")
    early_bytes: bool = _capability(True, "frames sent together with the request are delivered")
    bounded_heads: bool = _capability(
        True, "heads of requests over 64 KiB are refused, with an answer"
    )
    handshake_checks: bool = _capability(True, "broken handshakes get turnout's own answers")
    plain_refusals: bool = _capability(True, "refusals have none of the headers of a 101")
    accept_headers: bool = _capability(True, "headers that interceptors add are in the 101")
    control_frames: bool = _capability(True, "handlers see pings and pongs, and send them")
    violation_codes: bool = _capability(
        True, "a peer that breaks the protocol gets 1002 or 1007, at the first byte that shows it"
    )
    early_limits: bool = _capability(
        True, "a message over its limit gets 1009 before it has been buffered"
    )
    close_details: bool = _capability(
        True, "handlers learn the peer's close reason, and whether it closed or vanished"
    )
    unix_sockets: bool = _capability(True, "serves on a Unix socket")
    tls: bool = _capability(True, "serves with TLS")
    unsupported_options: frozenset[str] = field(
        default=frozenset(), metadata={"meaning": "options that this engine cannot honour"}
    )

    def can_honour(self, option: str) -> bool:
        """Tell whether an option of that name can be set explicitly."""
        return option not in self.unsupported_options and (self.deflate or option != "compression")

    def has(self, name: str) -> bool:
        """Tell whether a capability is there, or an option can be honoured, by its name."""
        return bool(getattr(self, name)) if hasattr(self, name) else self.can_honour(name)
