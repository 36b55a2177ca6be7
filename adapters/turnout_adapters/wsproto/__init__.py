"""The standard engine: the standard driver on a small asyncio server with h11.

It needs nothing but turnout's own dependencies, serves TCP, TLS and Unix sockets, and runs inside
an asyncio program by `start`.
"""

from turnout_adapters.wsproto.server import RunningServer, start
from turnout_adapters.wsproto.strategy import WsprotoStrategy

__all__ = ["RunningServer", "WsprotoStrategy", "start"]
