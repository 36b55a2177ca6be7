"""The rows of the contract: what every engine shows, the same bytes, whatever the server.

Each test of the suite names its row and the rule that it holds; reports and the compatibility
table are sorted by row.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Row"]


class Row(Enum):
    """One row of the compatibility table."""

    ACCEPT = "opening handshake: 101, accept key, sub-protocol, headers"
    METHOD = "not GET (or CONNECT over HTTP/2) → 405"
    HEADERS = "Upgrade, Connection or key wrong → 400"
    VERSION = "version not supported → 426"
    ORIGIN = "foreign Origin → 403"
    REFUSAL = "an interceptor refuses: its status, headers and body"
    PROTOCOLS = "sub-protocols"
    DEFLATE = "permessage-deflate"
    MESSAGES = "text and binary messages, 1 MiB, 10,000 in order"
    CLOSE = "close codes and reasons, both ways"
    FAILURE = "handler raises → 1011, returns → 1000"
    SHUTDOWN = "shutdown → 1001 for everyone, exit code 0"
    VANISHED = "peer vanishes → 1006, once"
    VIOLATION = "violation of the frame protocol → 1002"
    UTF8 = "invalid UTF-8 → 1007"
    LIMITS = "message over the limit → 1009"
    KIND = "wrong kind of message → 1003"
    SLOW_CONSUMER = "slow consumer: time and buffer limits"
    SLOW_HANDLER = "slow handler: the sender is held back, nothing lost"
    TIMEOUTS = "idle and ping timeouts"
    PINGS = "pings and pongs"
    PIECES = "partial messages"
    FULL = "server full → 503"
    STATES = "one ConnectionClosed, states, close() twice"
    SESSION = "what a session knows"
    SENDS = "sends of one session are serialised; broadcast"
    RUNTIME = "both colours, context variables, foreign awaitables"
    MANY = "1,000 connections at once"
    HOSTILE = "hostile clients: floods, bombs, half-open, one byte at a time; others unaffected"
    HTTP = "plain HTTP: bodies, streaming, a client that goes"
    TRANSPORTS = "TLS and Unix sockets"
    START = "options that cannot be honoured are refused at start"
