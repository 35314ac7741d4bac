"""A TCP proxy that does to connections what networks do: on a thread of its own, from a seed.

It delays, stalls, cuts, refuses, swallows without a word (a half-open connection), and cuts at a
message of the client's, before it was forwarded or after its answer came. What it can't do is
duplicate: TCP numbers its bytes, so bytes that come twice reach nobody twice, and a proxy that
repeated some would only damage the conversation. Duplicates are made where they do happen, in
messages: by producers that send a batch twice, and that send again after a cut what they can't
know to have arrived (see `producers.py`).
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

Address = tuple[str, int]

CHUNK_BYTES = 64 * 1024
LONGEST_PATTERN = 64
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to whatever passes."""

    delay_seconds: tuple[float, float] = (0.0, 0.0)
    """Least and most that each chunk waits."""
    loss: float = 0.0
    """Chance of each chunk to take its connection with it."""
    refusing: bool = False
    swallowing: bool = False


FAIR = Weather()


@dataclass(slots=True, kw_only=True)
class Trap:
    """Waits for bytes from a client, to cut the connection that they come on."""

    pattern: bytes
    when: Literal["before", "after"]
    alone: bool
    sprung: threading.Event


class FaultProxy:
    """Forwards each connection to the first upstream that takes it: a load balancer, with several.

    Faults may be set from any thread. Each counts itself in `counts` when it has happened.
    """

    def __init__(self, *upstreams: Address, seed: int = 0) -> None:
        """Listens on nothing yet.

        Args:
            upstreams: Where connections go, as host and port.
            seed: Of whatever is left to chance.
        """
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.weather = FAIR
        self.chance = random.Random(seed)
        self.trap: Trap | None = None
        self.gate = asyncio.Event()
        self._upstreams = list(upstreams)
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def delay(self, least_seconds: float, most_seconds: float) -> None:
        """Every chunk waits for a while, in both directions; their order stays."""
        self.weather = replace(self.weather, delay_seconds=(least_seconds, most_seconds))

    def drop(self, chance: float) -> None:
        """Every chunk may be lost, and its connection with it."""
        self.weather = replace(self.weather, loss=chance)

    def refuse(self) -> None:
        """Resets new connections; those that are open stay."""
        self.weather = replace(self.weather, refusing=True)

    def swallow(self) -> None:
        """Forwards nothing any more and tells nobody: connections of now are half open for good."""
        self.weather = replace(self.weather, swallowing=True)
        self._soon(self._swallow_all)

    def cut(self) -> None:
        """Ends all connections, both ways, with what is on its way."""
        self._soon(self._cut_all)

    def stall(self) -> None:
        """Holds everything back until `heal`, which then arrives late."""
        self._soon(self.gate.clear)

    def cut_at(
        self, pattern: bytes, when: Literal["before", "after"], *, alone: bool = True
    ) -> threading.Event:
        """Cuts the next connection whose client sends a pattern.

        Args:
            pattern: Bytes of one message of a client.
            when: "before" it is forwarded, or "after" it was answered: the answer is swallowed.
            alone: Whether all other connections stay, and new ones are taken; else none is until
                `heal`.

        Returns:
            An event that is set once it has happened.
        """
        sprung = threading.Event()
        self.trap = Trap(pattern=pattern, when=when, alone=alone, sprung=sprung)
        return sprung

    def spring(self, trap: Trap) -> None:
        """Does what follows when a trap has cut its connection; for the proxy's own thread."""
        if not trap.alone:
            self.weather = replace(self.weather, refusing=True)
            self._cut_all()
        trap.sprung.set()

    def heal(self) -> None:
        """Ends all faults; what they broke stays broken."""
        self.weather = FAIR
        self.trap = None
        self._soon(self.gate.set)

    async def _open(self) -> None:
        self.gate.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut_all()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _cut_all(self) -> None:
        for connection in list(self._connections):
            connection.cut("cut")

    def _swallow_all(self) -> None:
        for connection in self._connections:
            connection.dead = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await self._serve(connection)
        except asyncio.CancelledError:
            pass  # The proxy ends, and nobody waits for this.
        finally:
            connection.cut()
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _serve(self, connection: _Connection) -> None:
        if self.weather.refusing:
            self.counts["refused"] += 1
            return
        connection.dead = self.weather.swallowing
        if connection.dead:
            await connection.forget()
            return
        upstream = await self._reach()
        if upstream is None:
            self.counts["nobody there"] += 1
            return
        await connection.join(*upstream)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for address in list(self._upstreams):
            with suppress(OSError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(*address)
            # Whoever refused is asked last from now on.
            self._upstreams.remove(address)
            self._upstreams.append(address)
        return None

    def _soon(self, work: Callable[[], None]) -> None:
        """Does something in the proxy's thread, and waits until it is done."""

        async def doing() -> None:
            work()

        self._do(doing())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


class _Connection:
    """A client's connection and the one that continues it."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.dead = False
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._springing: Trap | None = None

    def cut(self, why: str = "") -> None:
        """Ends both halves at once."""
        if why and any(not writer.transport.is_closing() for writer in self._writers):
            self._proxy.counts[why] += 1
        for writer in self._writers:
            writer.transport.abort()

    async def forget(self) -> None:
        """Takes what the client sends, and nothing comes of it."""
        reader, _ = self._client
        self._proxy.counts["swallowed"] += 1
        with suppress(OSError):
            while await reader.read(CHUNK_BYTES):
                pass

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards in both directions until both have ended."""
        self._writers.append(writer)
        client_reader, client_writer = self._client
        ways = (
            self._pump(client_reader, writer, sender="client"),
            self._pump(reader, client_writer, sender="upstream"),
        )
        await asyncio.gather(*ways)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, sender: str
    ) -> None:
        tail = b""
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._travel()
                if self.dead:
                    self._proxy.counts["swallowed"] += 1
                    continue
                if self._is_lost() or self._is_caught(tail, chunk, sender):
                    return
                tail = chunk[-LONGEST_PATTERN:]
                writer.write(chunk)
                await writer.drain()
            if not self.dead:
                writer.write_eof()

    async def _travel(self) -> None:
        await self._proxy.gate.wait()
        least, most = self._proxy.weather.delay_seconds
        if most:
            self._proxy.counts["delayed"] += 1
            await asyncio.sleep(self._proxy.chance.uniform(least, most))

    def _is_lost(self) -> bool:
        lost = self._proxy.chance.random() < self._proxy.weather.loss
        if lost:
            self.cut("dropped")
        return lost

    def _is_caught(self, tail: bytes, chunk: bytes, sender: str) -> bool:
        """Whether this is where the connection ends; a trap for the answer may be set by it."""
        if sender == "upstream":
            trap = self._springing
            if trap is None:
                return False
        else:
            trap = self._proxy.trap
            # A pattern may begin in the chunk before, but must end in this one.
            if trap is None or trap.pattern not in tail[1 - len(trap.pattern) :] + chunk:
                return False
            self._proxy.trap = None
            if trap.when == "after":
                self._springing = trap
                return False
        self.cut(f"cut {trap.when}")
        self._proxy.spring(trap)
        return True
