"""The limits of pools, queues and deployments, as far as a claim needs them, on SQL.

Each kind of limit has a row that is locked, and a count of the leases that count against it, read
by a later statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.sql.keys import among, portions
from towpath_service.work.domain.deployments import CollisionStrategy
from towpath_service.work.domain.dispatching import LimitKey
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sqlalchemy import Select

    from towpath_service.database.port import SqlTransaction

_deployment: Final[Any] = tables.deployment.c
_lease: Final[Any] = tables.work_lease.c


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of limit: its rows, and the leases that count."""

    name: str
    limits: Any
    locked: Any
    counts: Any


def _kind(name: str, table: Any, *ids: str, where: Any = ()) -> _Kind:
    key = ("tenant_id", "workspace_id", *ids)
    rows = tuple(table.c[name] for name in key)
    leases = tuple(_lease[name] for name in key)
    limits = (
        select(*rows, table.c.concurrency_limit)
        .where(among(*rows), table.c.concurrency_limit > 0, *where)
        .order_by(*rows)
    )
    return _Kind(
        name,
        limits,
        limits.with_for_update(),
        select(*leases, func.count()).where(among(*leases), _lease.counts).group_by(*leases),
    )


# In the order in which their rows are locked.
_KINDS: Final = (
    _kind("deployment", tables.deployment, "flow_id", "deployment_id"),
    _kind("pool", tables.work_pool, "pool_id"),
    _kind("queue", tables.work_queue, "pool_id", "queue_id"),
)
_CANCELLING: Final = _kind(
    "deployment",
    tables.deployment,
    *("flow_id", "deployment_id"),
    where=(_deployment.collision_strategy == int(CollisionStrategy.CANCEL_NEW),),
)


class SqlLimitRows:
    """Pools, queues and deployments with their limits, within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection: Any = transaction.connection
        self._tenants = transaction.tenants

    def lock(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """Locks the limited rows among those of the keys, and returns their limits."""
        return self._of_each(keys, lambda kind: kind.locked)

    def cancelling(self, keys: Collection[LimitKey]) -> set[LimitKey]:
        """The limits among the keys that cancel runs which meet them full: of deployments."""
        deployments = [key for key in keys if key.name.startswith(f"{_CANCELLING.name}/")]
        return set(self._of_each(deployments, lambda kind: kind.limits, (_CANCELLING,)))

    def read(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """The limits in force among the keys, without a lock."""
        return self._of_each(keys, lambda kind: kind.limits)

    def used(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """The leases that count against limits; limits without any are left out."""
        return self._of_each(keys, lambda kind: kind.counts)

    def _of_each(
        self,
        keys: Iterable[LimitKey],
        statement: Callable[[_Kind], Select[Any]],
        kinds: Iterable[_Kind] = _KINDS,
    ) -> dict[LimitKey, int]:
        by_kind: dict[str, set[tuple[str, ...]]] = {}
        for key in keys:
            name, *ids = key.name.split("/")
            by_kind.setdefault(name, set()).add((key.tenant_id, key.workspace_id, *ids))
        check_tenants(self._tenants, {key[0] for keys in by_kind.values() for key in keys})
        found: dict[LimitKey, int] = {}
        for kind in kinds:
            for portion in portions(by_kind.get(kind.name, ())):
                for tenant_id, workspace_id, *ids, number in self._connection.execute(
                    statement(kind), portion
                ):
                    name = "/".join((kind.name, *ids))
                    found[LimitKey(tenant_id, workspace_id, name)] = number
        return found
