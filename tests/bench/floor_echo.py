"""The least that an echo in Python can do, to see how near a real one comes.

It reads the header of a whole message, unmasks it, decodes text, calls an `async def`, encodes and
writes, once for each read. It checks nothing, and knows no frames but those of the load.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from turnout.protocol.frames import (
    BINARY,
    EIGHT_BYTES,
    FIN,
    TEXT,
    TWO_BYTES,
    encode_frame,
)
from turnout.protocol.masking import find_mask

mask = find_mask()
LONGEST_HEADER = 14


class Floor(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        self.is_open = False
        self.rest: list[bytes] = []
        self.wanted = 0

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            return
        if self.rest:
            self.rest.append(data)
            self.wanted -= len(data)
            if self.wanted > 0:  # joined once, not for each read of a long message
                return
            data = b"".join(self.rest)
            self.rest.clear()
        if replies := self.echoed(data):
            self.transport.write(b"".join(replies))

    def echoed(self, data: bytes) -> list[bytes]:
        replies: list[bytes] = []
        position = self.wanted = 0
        while len(data) - position >= LONGEST_HEADER:
            length, begin = data[position + 1] & 0x7F, position + 6
            if length == TWO_BYTES:
                length, begin = data[position + 2] << 8 | data[position + 3], position + 8
            elif length == EIGHT_BYTES:
                begin = position + LONGEST_HEADER
                length = int.from_bytes(data[position + 2 : position + 10], "big")
            end = begin + length
            if end > len(data):
                self.wanted = end - len(data)
                break
            payload = mask(data[begin:end], data[begin - 4 : begin])
            is_text = data[position] & 0x0F == TEXT
            step((echo_text if is_text else echo)(payload, replies.append))
            position = end
        if position < len(data):
            self.rest.append(data[position:])
        return replies


def step(coroutine: Awaitable[None]) -> None:
    """Run a coroutine that waits for nothing."""
    next(coroutine.__await__(), None)


async def echo_text(payload: bytes, send: Callable[[bytes], None]) -> None:
    send(encode_frame(FIN | TEXT, payload.decode().encode()))


async def echo(payload: bytes, send: Callable[[bytes], None]) -> None:
    send(encode_frame(FIN | BINARY, payload))


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
