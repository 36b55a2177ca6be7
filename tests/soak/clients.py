"""One process of clients: `python -m tests.soak.clients --port N --folder F ...`.

Each slot holds one connection after the other. The process is killed without a word, stopped and
continued by the storm; SIGTERM asks it to end every connection and then itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.soak.conversation import COMMANDS, LARGEST
from tests.soak.record import Ends, Slots
from tests.soak.soaking_client import NotOpened, SoakingClient

from turnout.close import NO_STATUS_CODE

__all__ = ["Arguments", "main"]

IN_FLIGHT = 8
PAUSE = 1.0
"""Seconds, on average, before an attempt that was refused is repeated."""
HANDSHAKE_BY_HALVES = 0.02
"""The share of attempts that send half a request and go."""
COMMAND_WEIGHTS = (90, 3, 3, 0)
EXPECTED_CODES = {1000, 1001, 1011, 4500}
"""How a server may end a connection by itself: drained, no pong in time, read too slowly."""


class Arguments(argparse.Namespace):
    """What the storm tells its clients."""

    port: int
    folder: Path
    name: int
    slots: int
    rate: float
    messages: int
    paths: list[str]
    patience: float
    deflate: bool
    violation_codes: bool
    seed: int


class Slot:
    """Holds one connection after the other."""

    def __init__(self, number: int, arguments: Arguments, crowd: Crowd) -> None:
        self._number = number
        self._arguments = arguments
        self._crowd = crowd
        self._random = random.Random(f"{arguments.seed} {arguments.name} {number}")
        self._client = 0

    async def run(self) -> None:
        """Connect, talk, end, again and again."""
        await self._crowd.pause(self._random.random() * PAUSE)
        while not self._crowd.ending:
            if self._random.random() < HANDSHAKE_BY_HALVES:
                await self._half_a_handshake()
            try:
                await self._live()
            except (NotOpened, OSError) as error:
                self._crowd.ends.never_opened(str(error) or type(error).__name__)
                await self._crowd.pause(self._random.random() * 2 * PAUSE)

    async def _half_a_handshake(self) -> None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._arguments.port)
            writer.write(b"GET /async-callback/0 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr")
            await asyncio.sleep(self._random.random())
            writer.transport.abort()

    async def _live(self) -> None:
        self._client = self._crowd.next_client()
        deflate = self._arguments.deflate and self._random.random() < 0.5
        path = self._random.choice(self._arguments.paths)
        client = SoakingClient(
            f"{'/deflate' if deflate else ''}/{path}/{self._client}",
            deflate=deflate,
            patience=self._arguments.patience,
            on_progress=self._progressed,
            on_violation=lambda what: self._crowd.ends.violation(self._client, f"{path}: {what}"),
        )
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: client, "127.0.0.1", self._arguments.port)
        try:
            await self._opened(client)
            how = await self._talk_and_end(client)
        finally:
            client.reset()
        await client.over()
        self._crowd.ends.ended(self._client, client.acknowledged, how)
        self._crowd.slots.set(self._number, 0, 0)

    async def _opened(self, client: SoakingClient) -> None:
        try:
            await client.opened()
        except TimeoutError:
            self._crowd.ends.violation(self._client, "no answer to the handshake")
            raise

    def _progressed(self, acknowledged: int) -> None:
        self._crowd.slots.set(self._number, self._client, acknowledged)

    async def _talk_and_end(self, client: SoakingClient) -> str:
        try:
            await self._talk(client)
            if not client.is_open:
                return f"closed by the server: {client.close_code}"
            name, ending = self._random.choice(ENDINGS)
            how = await ending(self, client)
        except TimeoutError:
            self._crowd.ends.violation(self._client, f"no answer after ack {client.acknowledged}")
            return "no answer"
        else:
            return how or name

    @property
    def _pace(self) -> float:
        return self._arguments.slots / self._arguments.rate

    async def _talk(self, client: SoakingClient) -> None:
        for _ in range(self._random.randint(0, self._arguments.messages)):
            if self._crowd.ending or not client.is_open:
                return
            [command] = self._random.choices(COMMANDS, COMMAND_WEIGHTS)
            self._say(client, command)
            await client.caught_up(IN_FLIGHT)
            await self._crowd.pause(self._random.expovariate(1.0) * self._pace)

    def _say(self, client: SoakingClient, command: str) -> None:
        draw = self._random.random()
        size = int(draw**8 * LARGEST)
        pieces = 1 if draw < 0.8 else self._random.randint(1, 4)
        client.say(command, size, binary=draw < 0.3, pieces=pieces)

    # How a connection ends

    async def reset(self, client: SoakingClient) -> None:
        """An RST, whatever is on its way."""

    async def fin(self, client: SoakingClient) -> None:
        """A FIN without a close frame."""
        client.end()

    async def unfinished(self, client: SoakingClient) -> None:
        """Half a message, then an RST or a FIN."""
        client.send_unfinished()
        await asyncio.sleep(self._random.random() * self._pace)
        if self._random.random() < 0.5:
            client.end()

    async def vanish(self, client: SoakingClient) -> None:
        """Ask for much, read nothing of it and answer no ping."""
        client.freeze()
        if client.is_open:
            self._say(client, "flood")
        await self._crowd.pause(self._random.uniform(1, 15))

    async def close(self, client: SoakingClient) -> str | None:
        """The close handshake, begun here."""
        await client.caught_up()
        if client.is_open:
            client.send_close()
        await client.over()
        return self._expect_close(client, EXPECTED_CODES)

    async def bye(self, client: SoakingClient) -> str | None:
        """The close handshake, begun by the handler."""
        if client.is_open:
            self._say(client, "bye")
        await client.over()
        return self._expect_close(client, {4001} | EXPECTED_CODES)

    async def violate(self, client: SoakingClient) -> str | None:
        """A frame that no client may send."""
        await client.caught_up()
        if client.is_open:
            client.send_unmasked()
        await client.over()
        code = 1002 if self._arguments.violation_codes else NO_STATUS_CODE.code
        return self._expect_close(client, {code} | EXPECTED_CODES)

    def _expect_close(self, client: SoakingClient, codes: set[int]) -> str | None:
        if client.close_code is None and client.was_reset:
            # It was cut after a stop of this process, or by a server that does not wait until its
            # close frame was read.
            return "close frame lost to a reset"
        if client.close_code not in codes:
            closed = client.close_code or "no close frame"
            what = f"ended with {closed}, not with one of {sorted(codes)}"
            self._crowd.ends.violation(self._client, what)
        return None


Ending = Callable[[Slot, SoakingClient], Awaitable[str | None]]
"""Ends a connection; returns what it has come to, if not to what it is called."""
ENDINGS: tuple[tuple[str, Ending], ...] = (
    ("reset", Slot.reset),
    ("FIN", Slot.fin),
    ("half a message", Slot.unfinished),
    ("vanished", Slot.vanish),
    ("closed by the client", Slot.close),
    ("closed by the handler", Slot.bye),
    ("violation", Slot.violate),
)


class Crowd:
    """All connections of the process."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._clients = arguments.name << 32
        self.end = asyncio.Event()
        self.slots = Slots(arguments.folder / f"{arguments.name}.slots", arguments.slots)
        self.ends = Ends(arguments.folder / f"{arguments.name}.ends")

    @property
    def ending(self) -> bool:
        """True once the process was asked to end."""
        return self.end.is_set()

    async def pause(self, seconds: float) -> None:
        """Return after so many seconds, or when the process is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.end.wait()

    def next_client(self) -> int:
        """Return a number that no connection of the whole storm has had."""
        self._clients += 1
        return self._clients

    async def run(self) -> None:
        """Hold connections until SIGTERM, then end them all."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.end.set)
        async with asyncio.TaskGroup() as group:
            for number in range(self._arguments.slots):
                group.create_task(Slot(number, self._arguments, self).run())


def main() -> None:
    """Run one process of clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "name", "slots", "messages", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("rate", "patience"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--paths", nargs="+", required=True)
    for name in ("deflate", "violation-codes"):
        parser.add_argument(f"--{name}", action="store_true")
    arguments = parser.parse_args(namespace=Arguments())
    asyncio.run(Crowd(arguments).run())


if __name__ == "__main__":
    main()
