"""What hypercorn keeps for an HTTP/2 client that does not read, bounded.

hypercorn lets whoever writes to a stream go on each time that it looks at what waits there, also
when the client's window is closed and nothing of it has gone: so a client that reads nothing would
be written to without an end. Once writers really wait, somebody has to let them go when the
connection is gone: `close` does.
"""

from __future__ import annotations

from hypercorn.protocol.h2 import BUFFER_LOW_WATER, StreamBuffer

__all__ = ["BoundedBuffer"]


class BoundedBuffer(StreamBuffer):
    """The bytes of one stream that wait for the client's window."""

    async def pop(self, max_length: int) -> bytes:
        """Return what may be sent now; let a writer go on once little is left."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data
