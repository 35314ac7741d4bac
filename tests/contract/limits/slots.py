"""A limiter on a database, with a clock that tests move."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from towpath_service.app.stores import database_at, stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.draining import Draining
from towpath_service.core.names import Scope
from towpath_service.limits.application.limiter import Limiter
from towpath_service.limits.application.workspace_limits import WorkspaceLimits
from towpath_service.limits.domain.limits import LimitSettings, Request
from towpath_service.limits.domain.names import AcquisitionKey, LimitKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.app.stores import Stores
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.limits.application.settling import Answer
    from towpath_service.limits.domain.limits import Hold

TENANT = "00000000-0000-7000-8000-000000000001"
SECOND = 1_000_000
WAIT_SECONDS = 60.0
NOW_US = 1_790_000_000 * SECOND
SCOPE = Scope(TENANT, "default")


@dataclass
class Clock:
    """A clock that only tests move."""

    us: int = NOW_US

    def now_us(self) -> int:
        return self.us


def number(count: int) -> str:
    """The acquisition's id of a number, in the order of numbers."""
    return str(UUID(int=count))


@dataclass
class Slots:
    """The limits of one workspace, and one replica's limiter."""

    stores: Stores
    limiter: Limiter
    bus: Bus
    clock: Clock
    scope: Scope = SCOPE
    limits: WorkspaceLimits = field(init=False)

    def __post_init__(self) -> None:
        self.limits = WorkspaceLimits(self.stores.limits, self.limiter, self.clock)

    def key(self, limit_id: str) -> LimitKey:
        return LimitKey(*self.scope, limit_id)

    def acquisition(self, id_: str) -> AcquisitionKey:
        return AcquisitionKey(*self.scope, id_)

    async def set(self, limit_id: str, slots: int, **settings: Any) -> None:
        await self.limits.set(self.key(limit_id), LimitSettings(slots=slots, **settings), "")

    def request(self, *limits: str, id_: str = "", wait: float = 60, **fields: Any) -> Request:
        """A request for a slot of each limit, or as many as "db=2" says."""
        needs = {
            limit_id: int(slots or 1)
            for limit_id, _, slots in (limit.partition("=") for limit in limits)
        }
        return Request(
            acquisition=self.acquisition(id_ or str(uuid4())),
            needs=needs,
            wait_us=int(wait * SECOND),
            **fields,
        )

    async def ask(self, *limits: str, id_: str = "", **fields: Any) -> Answer:
        """Asks, and doesn't wait for the slots."""
        return await self.submit(self.request(*limits, id_=id_, **fields))

    async def submit(self, item: Any) -> Answer:
        """Settles one item."""
        return await self.limiter._settling.submit(item)

    async def release(self, *ids: str) -> None:
        await self.limiter.release([self.acquisition(id_) for id_ in ids])

    async def pass_time(self, seconds: float) -> None:
        """Lets time pass, and ends what is overdue then."""
        self.clock.us += int(seconds * SECOND)
        await self.limiter.sweep()

    async def holds(self) -> dict[str, dict[str, Hold]]:
        """What is held or waited for, by id of the acquisition and of the limit."""
        ids = await self.stores.limits.read(
            {TENANT}, lambda rows: [limit.key for limit in self._page(rows)]
        )
        found: dict[str, dict[str, Hold]] = {}
        for key in ids:
            for hold in await self.limits.holders(key, None, 500):
                parts = found.setdefault(hold.acquisition.acquisition_id, {})
                parts[hold.limit_id] = hold
        return found

    async def held(self, limit_id: str) -> list[str]:
        """Ids of the acquisitions that hold slots of a limit, by age."""
        found = await self.limits.holders(self.key(limit_id), None, 500)
        return [hold.acquisition.acquisition_id for hold in found if not hold.waiting]

    async def waiting(self, limit_id: str) -> list[str]:
        """Ids of the acquisitions that wait for a limit, in order."""
        found = await self.limits.holders(self.key(limit_id), None, 500)
        return [hold.acquisition.acquisition_id for hold in found if hold.waiting]

    def _page(self, rows: Any) -> list[Any]:
        return list(rows.limits.page(self.scope, "", 500, made=True))


async def until_waiting(slots: Slots, limit_id: str, count: int) -> None:
    """Returns once so many acquisitions wait for a limit."""
    async with asyncio.timeout(WAIT_SECONDS):
        while len(await slots.waiting(limit_id)) < count:  # noqa: ASYNC110 - another process may
            await asyncio.sleep(0.005)


@asynccontextmanager
async def open_slots(
    location: Path | PostgresUrl | None, clock: Clock | None = None
) -> AsyncIterator[Slots]:
    """Limits on a database, which is empty unless it is one that another has opened."""
    stores = stores_on(database_at(location))
    await stores.database.open()
    bus, clock = Bus(), clock or Clock()
    listening = asyncio.create_task(stores.database.listen(bus))
    try:
        async with Limiter(stores.limits, bus, clock, Draining(asyncio.Event())) as limiter:
            yield Slots(stores, limiter, bus, clock)
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        stores.database.close()
