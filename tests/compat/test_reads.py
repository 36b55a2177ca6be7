"""How much asyncio reads at once for turnout: what the kernel has, but no more than 64 KiB."""

from __future__ import annotations

import asyncio
import socket

from tests.compat.test_ends import DEADLINE

from turnout_compat.asyncio_transport import READ_SIZE, AsyncioTransport, bound_reads

SENT = 4 * READ_SIZE


class Reader(asyncio.Protocol):
    """Notes how much each read has brought, and when all has come."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.all_came = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.sizes.append(len(data))
        if sum(self.sizes) == SENT:
            self.all_came.set()


def test_a_read_takes_64_kib_at_most() -> None:
    async def main() -> list[int]:
        near, far = socket.socketpair()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            near.setsockopt(socket.SOL_SOCKET, option, SENT)
            far.setsockopt(socket.SOL_SOCKET, option, SENT)
        loop = asyncio.get_running_loop()
        transport, reader = await loop.create_connection(Reader, sock=near)
        AsyncioTransport(transport)
        far.setblocking(False)
        async with asyncio.timeout(DEADLINE):
            await loop.sock_sendall(far, bytes(SENT))
            await reader.all_came.wait()
        transport.close()
        far.close()
        return reader.sizes

    sizes = asyncio.run(main())
    assert max(sizes) == READ_SIZE


def test_a_transport_that_reads_by_itself_is_left_alone() -> None:
    """uvloop's has no such attribute, and takes no new one."""

    class Other:
        __slots__ = ()

    bound_reads(Other())
