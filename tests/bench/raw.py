"""The limit of asyncio: a protocol that parses nothing and answers each frame with a canned one."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

from turnout.testing.frames import TEXT, encode_frame


def serve_raw(port: int, size: int, pem: str | None = None) -> None:
    """Serve until killed, with TLS where there is a PEM file; a message has `size` bytes."""
    message = encode_frame(TEXT, b"x" * size)
    reply = encode_frame(TEXT, b"x" * size, masked=False)

    class Raw(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:  # uvloop's is none of asyncio's
            self.write = transport.write
            self.open = False
            self.owed = 0

        def data_received(self, data: bytes) -> None:
            if not self.open:
                self.open = True
                self.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                return
            count, self.owed = divmod(self.owed + len(data), len(message))
            if count:
                self.write(reply * count)

    context = None if pem is None else ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if context is not None and pem is not None:
        context.load_cert_chain(pem)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Raw, "127.0.0.1", port, ssl=context)
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    serve_raw(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
