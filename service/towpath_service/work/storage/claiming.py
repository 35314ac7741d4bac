"""Pools, queues and deployments as far as a claim needs them, with their limits, on SQL.

Each kind of limit has a row that is locked, and a count of the leases that count against it, read
by a later statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, select

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.sql.keys import among, portions
from towpath_service.work.domain.deployments import CollisionStrategy
from towpath_service.work.domain.dispatching import LimitKey, PoolKey
from towpath_service.work.ports.dispatching import Queue
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sqlalchemy import Select

    from towpath_service.database.port import SqlTransaction

_pool: Final[Any] = tables.work_pool.c
_queue: Final[Any] = tables.work_queue.c
_deployment: Final[Any] = tables.deployment.c
_lease: Final[Any] = tables.work_lease.c

_QUEUES: Final = (
    select(
        *(_queue.tenant_id, _queue.workspace_id, _queue.pool_id, _queue.queue_id, _queue.rank),
        (_queue.paused | _pool.paused).label("paused"),
        (_queue.concurrency_limit > 0).label("queue_limited"),
        (_pool.concurrency_limit > 0).label("pool_limited"),
    )
    .join(
        tables.work_pool,
        and_(*(_pool[name] == _queue[name] for name in ("tenant_id", "workspace_id", "pool_id"))),
    )
    .where(among(_queue.tenant_id, _queue.workspace_id, _queue.pool_id))
)


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

    def queues(self, pools: Collection[PoolKey]) -> list[Queue]:
        """The queues of pools."""
        check_tenants(self._tenants, (pool.tenant_id for pool in pools))
        return [
            Queue(
                pool=PoolKey(row.tenant_id, row.workspace_id, row.pool_id),
                queue_id=row.queue_id,
                rank=row.rank,
                paused=row.paused,
                limited=(row.queue_limited, row.pool_limited),
            )
            for portion in portions(pools)
            for row in self._connection.execute(_QUEUES, portion)
        ]

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
