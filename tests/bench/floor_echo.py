"""The least that an echo in Python can do, to see how near a real one comes.

It reads the header of a whole frame of text, unmasks and decodes it, calls an `async def`, encodes
and writes, once for each read. It checks nothing, and knows no other frames.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from turnout.protocol.frames import FIN, TEXT, TWO_BYTES, encode_frame
from turnout.protocol.masking import find_mask

mask = find_mask()


class Floor(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        self.is_open = False
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            return
        replies: list[bytes] = []
        data, position = self.rest + data, 0
        while len(data) - position >= 6:
            length, begin = data[position + 1] & 0x7F, position + 6
            if length == TWO_BYTES:
                length, begin = data[position + 2] << 8 | data[position + 3], position + 8
            end = begin + length
            if end > len(data):
                break
            step(echo(mask(data[begin:end], data[begin - 4 : begin]).decode(), replies.append))
            position = end
        self.rest = data[position:]
        if replies:
            self.transport.write(b"".join(replies))


def step(coroutine: Awaitable[None]) -> None:
    """Run a coroutine that waits for nothing."""
    next(coroutine.__await__(), None)


async def echo(text: str, send: Callable[[bytes], None]) -> None:
    send(encode_frame(FIN | TEXT, text.encode()))


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
