"""The store of backfills, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.work.domain.backfills import Backfill
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.names import BackfillName
    from towpath_service.work.domain.schedules import Schedule
    from towpath_service.work.ports.control import Control

Result = TypeVar("Result")


class BackfillKey(NamedTuple):
    """A backfill of any tenant."""

    tenant_id: str
    name: BackfillName


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBackfill:
    """A backfill that creates runs, as it was read."""

    tenant_id: str
    backfill: Backfill
    schedule: Schedule | None
    """None when it was deleted."""
    deployment: Deployment | None
    active: int
    """Its unfinished runs."""

    @property
    def key(self) -> BackfillKey:
        """The backfill."""
        return BackfillKey(self.tenant_id, self.backfill.name)


class Backfills(Protocol):
    """One transaction over backfills and runs."""

    @property
    def control(self) -> Control:
        """Runs and their work within the transaction."""
        ...

    def get(self, key: BackfillKey, *, lock: bool = False) -> Backfill | None:
        """A backfill, locked against changes if asked for; None when there is none."""
        ...

    def page(
        self, tenant_id: str, workspace_id: str, after: tuple[str, ...], limit: int
    ) -> Sequence[Backfill]:
        """A page of backfills, newest first.

        Args:
            tenant_id: Their tenant.
            workspace_id: Their workspace.
            after: Time of creation and id before the page; empty for the first page.
            limit: Most backfills.
        """
        ...

    def active(self, tenant_id: str, workspace_id: str, ids: Collection[str]) -> Mapping[str, int]:
        """The unfinished runs of backfills, by backfill; those without any are left out."""
        ...

    def open_count(self, tenant_id: str) -> int:
        """The number of a tenant's backfills that create runs."""
        ...

    def queued_most(self, tenant_id: str) -> int:
        """Most queued runs of a tenant; 0 for the default."""
        ...

    def open(self, limit: int) -> list[OpenBackfill]:
        """Reads backfills of all tenants that create runs and have room for some."""
        ...

    def add(self, tenant_id: str, made: Backfill) -> bool:
        """Makes a backfill; False when its id is taken."""
        ...

    def change(self, tenant_id: str, now: Backfill) -> None:
        """Replaces a backfill, which the transaction has locked."""
        ...

    def waiting(self, key: BackfillKey) -> list[str]:
        """Ids of the runs of a backfill that wait for a worker."""
        ...


class BackfillStore(Protocol):
    """A store over backfills and runs."""

    async def write(self, tenants: Collection[str], work: Callable[[Backfills], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction; it may run more than once.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...

    async def read(self, tenants: Collection[str], work: Callable[[Backfills], Result]) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...
