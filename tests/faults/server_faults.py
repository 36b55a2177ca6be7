"""Faults of the standard engine: its threads, its HTTP side, its sockets, its start."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from catalogue import fault, replace
from turnout.testing.rows import Row
from turnout_adapters.wsproto.http import HttpConnection
from turnout_adapters.wsproto.server import RunningServer
from turnout_adapters.wsproto.views import H11Request, H11Response
from turnout_compat.asyncio_runtime import AsyncioRuntime


@fault(Row.MANY, "test_many_connections")
def pool_of_40_threads() -> None:
    pool = ThreadPoolExecutor(40)

    async def run_plain(self: AsyncioRuntime, function: Any, *, name: str) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, context.run, function)

    replace(AsyncioRuntime, "run_plain", lambda _: run_plain)


@fault(Row.HTTP, "test_body_over_the_limit")
def boundless_bodies() -> None:
    def boundless(read_body: Any) -> Any:
        return lambda self, limit: read_body(self, 1 << 40)

    replace(H11Request, "read_body", boundless)


def end_behind(*statuses: int) -> None:
    """End the connection behind an answer that has one of these, and do not say so in it."""

    def ending(send: Any) -> Any:
        async def sent(self: H11Response, status: int, *args: Any, **kwargs: Any) -> None:
            await send(self, status, *args, **kwargs)
            if status in statuses:
                self._connection._stopping = True

        return sent

    replace(H11Response, "send", ending)


@fault(
    Row.HEADERS,
    "test_request_behind_a_broken_handshake",
    "test_request_behind_no_upgrade",
    "test_second_try_on_one_connection",
)
def broken_handshakes_end_the_connection() -> None:
    end_behind(400, 405, 426)


@fault(Row.REFUSAL, "test_request_behind_a_refusal", "test_request_behind_a_foreign_origin")
def refusals_end_the_connection() -> None:
    end_behind(401, 403, 500)


@fault(Row.HTTP, "test_streaming_back_pressure")
def back_pressure_from_64_mib_on() -> None:
    def late(writable: Any) -> Any:
        async def waited(self: HttpConnection) -> None:
            if self.transport.get_write_buffer_size() > 64 * 1024 * 1024:
                await writable(self)

        return waited

    replace(HttpConnection, "writable", late)


@fault(Row.HTTP, "test_client_goes")
def client_gone_before_it_goes() -> None:
    async def at_once(self: Any) -> None:
        """Wait for nobody."""

    replace(H11Response, "wait_disconnected", lambda _: at_once)


@fault(Row.TRANSPORTS, "test_unix_socket")
def socket_left_behind() -> None:
    def forgetful(stop: Any) -> Any:
        async def stopped(self: Any, *args: Any) -> None:
            self._unix = None
            await stop(self, *args)

        return stopped

    replace(RunningServer, "stop", forgetful)


@fault(Row.START, "test_port_in_use")
def port_in_use_is_a_traceback() -> None:
    def obscure(listen: Any) -> Any:
        async def listened(self: Any, *args: Any) -> None:
            try:
                await listen(self, *args)
            except OSError as error:
                raise RuntimeError("cannot listen") from error

        return listened

    replace(RunningServer, "listen", obscure)
