"""Makes, changes and removes pools, their queues and the records of their workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from towpath_service.core.errors import ServiceError, invalid, not_found, outdated
from towpath_service.identity.domain.principals import exists, in_use
from towpath_service.work.application.job_templates import check_template
from towpath_service.work.domain.names import PoolName, QueueName
from towpath_service.work.domain.pools import (
    DEFAULT_QUEUE,
    MOST_POOLS,
    MOST_QUEUES,
    SERVED,
    Pool,
    PoolUse,
    Queue,
    QueueSettings,
    Worker,
    WorkerState,
    check_pool,
)
from towpath_service.work.domain.refusals import no_pool, too_many

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.work.domain.names import WorkerName
    from towpath_service.work.domain.pools import PoolSettings
    from towpath_service.work.ports.resources import Resources, ResourceStore

Item = TypeVar("Item", Pool, Queue)


def _check(settings: PoolSettings) -> None:
    """Checks the settings of a pool; raises INVALID_REQUEST or PAYLOAD_TOO_LARGE."""
    check_pool(settings)
    check_template(settings.kind, settings.job_template, "work_pool.job_template_json")


class WorkPools:
    """The pools of all workspaces of one installation."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, caller: Caller, name: PoolName, settings: PoolSettings) -> Pool:
        """Makes a pool with its default queue.

        Raises:
            ServiceError: RESOURCE_EXISTS, QUOTA_EXCEEDED, or INVALID_REQUEST.
        """
        if name.pool_id == SERVED:
            raise invalid("work_pool_id", f'"{SERVED}" is the pool that the service itself makes')
        _check(settings)
        now_us = self._clock.now_us()
        made = Pool(name=name, settings=settings, created_us=now_us, updated_us=now_us)

        def work(resources: Resources) -> None:
            if not add_pool(resources, made):
                raise exists(str(name))

        await self._store.write(caller.tenant_id, work)
        return made

    async def get(self, caller: Caller, name: PoolName) -> tuple[Pool, PoolUse]:
        """A pool with its use; raises RESOURCE_NOT_FOUND."""
        now_us = self._clock.now_us()

        def work(resources: Resources) -> tuple[Pool, PoolUse]:
            pool = found_pool(resources, name)
            return pool, resources.pools.uses(name.workspace_id, [name.pool_id], now_us)[
                name.pool_id
            ]

        return await self._store.read(caller.tenant_id, work)

    async def pools(self, caller: Caller, workspace_id: str) -> list[Pool]:
        """The pools of a workspace, by id."""
        return await self._store.read(
            caller.tenant_id, lambda resources: resources.pools.of_workspace(workspace_id)
        )

    async def uses(self, caller: Caller, pools: Sequence[Pool]) -> list[tuple[Pool, PoolUse]]:
        """Pools of one workspace, each with its use."""
        if not pools:
            return []
        now_us, ids = self._clock.now_us(), [pool.name.pool_id for pool in pools]
        uses = await self._store.read(
            caller.tenant_id,
            lambda resources: resources.pools.uses(pools[0].name.workspace_id, ids, now_us),
        )
        return [(pool, uses[pool.name.pool_id]) for pool in pools]

    async def update(
        self,
        caller: Caller,
        name: PoolName,
        asked: PoolSettings,
        fields: Collection[str],
        etag: str,
    ) -> Pool:
        """Changes a pool.

        Args:
            caller: The caller.
            name: The pool.
            asked: The new settings.
            fields: The settings to take from `asked`; the others stay.
            etag: The etag that the pool must still have; empty for any.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH, or INVALID_REQUEST.
        """
        now_us = self._clock.now_us()

        def work(resources: Resources) -> Pool:
            was = found_pool(resources, name, lock=True)
            now = _changed(was, asked, fields, etag, now_us)
            if now.settings.kind != was.settings.kind:
                raise invalid("work_pool.kind", "can't be changed: create another pool")
            if now is not was:
                _check(now.settings)
                resources.pools.change(now)
            return now

        return await self._store.write(caller.tenant_id, work)

    async def delete(self, caller: Caller, name: PoolName, etag: str) -> None:
        """Removes a pool with its queues and workers.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH; RESOURCE_IN_USE: deployments, waiting
                or leased runs use it.
        """

        def work(resources: Resources) -> None:
            pool = found_pool(resources, name, lock=True)
            check_etag(pool, etag)
            if users := resources.pools.users(name):
                raise in_use(str(name), users)
            resources.pools.remove(name)

        await self._store.write(caller.tenant_id, work)


class WorkQueues:
    """The queues of all pools of one installation."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, caller: Caller, name: QueueName, settings: QueueSettings) -> Queue:
        """Makes a queue; raises RESOURCE_NOT_FOUND, RESOURCE_EXISTS or QUOTA_EXCEEDED."""
        now_us = self._clock.now_us()
        made = Queue(name=name, settings=settings, created_us=now_us, updated_us=now_us)

        def work(resources: Resources) -> None:
            found_pool(resources, name.pool, lock=True)
            if not add_queue(resources, made):
                raise exists(str(name))

        await self._store.write(caller.tenant_id, work)
        return made

    async def get(self, caller: Caller, name: QueueName) -> tuple[Queue, PoolUse]:
        """A queue with its use; raises RESOURCE_NOT_FOUND."""
        now_us = self._clock.now_us()

        def work(resources: Resources) -> tuple[Queue, PoolUse]:
            queue = found_queue(resources, name)
            return queue, resources.queues.uses(name.pool, now_us).get(name.queue_id, PoolUse())

        return await self._store.read(caller.tenant_id, work)

    async def queues(self, caller: Caller, name: PoolName) -> list[tuple[Queue, PoolUse]]:
        """The queues of a pool by id, each with its use; raises RESOURCE_NOT_FOUND."""
        now_us = self._clock.now_us()

        def work(resources: Resources) -> list[tuple[Queue, PoolUse]]:
            found_pool(resources, name)
            uses = resources.queues.uses(name, now_us)
            return [
                (queue, uses.get(queue.name.queue_id, PoolUse()))
                for queue in resources.queues.of_pool(name)
            ]

        return await self._store.read(caller.tenant_id, work)

    async def update(
        self,
        caller: Caller,
        name: QueueName,
        asked: QueueSettings,
        fields: Collection[str],
        etag: str,
    ) -> Queue:
        """Changes a queue; as `WorkPools.update`."""
        now_us = self._clock.now_us()

        def work(resources: Resources) -> Queue:
            was = found_queue(resources, name, lock=True)
            now = _changed(was, asked, fields, etag, now_us)
            if now is not was:
                resources.queues.change(now)
            return now

        return await self._store.write(caller.tenant_id, work)

    async def delete(self, caller: Caller, name: QueueName, etag: str) -> None:
        """Removes a queue.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH; RESOURCE_IN_USE: it is the default one,
                or deployments, waiting or leased runs use it.
        """

        def work(resources: Resources) -> None:
            # Deployments keep the pool of their queue, so that none can begin to use it now.
            found_pool(resources, name.pool, lock=True)
            queue = found_queue(resources, name, lock=True)
            check_etag(queue, etag)
            users = (
                f"{name.pool}, as its default queue"
                if name.queue_id == DEFAULT_QUEUE
                else resources.queues.users(name)
            )
            if users:
                raise in_use(str(name), users)
            resources.queues.remove(name)

        await self._store.write(caller.tenant_id, work)


class WorkerRecords:
    """The records of all workers of one installation."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def now_us(self) -> int:
        """The present, by which a worker is online or not."""
        return self._clock.now_us()

    async def get(self, caller: Caller, name: WorkerName) -> Worker:
        """A worker; raises RESOURCE_NOT_FOUND."""
        return await self._store.read(
            caller.tenant_id, lambda resources: _found_worker(resources, name)
        )

    async def workers(self, caller: Caller, name: PoolName, after: str, limit: int) -> list[Worker]:
        """A page of a pool's workers by id: the first above `after`; raises RESOURCE_NOT_FOUND."""

        def work(resources: Resources) -> list[Worker]:
            found_pool(resources, name)
            return resources.workers.page(name, after, limit)

        return await self._store.read(caller.tenant_id, work)

    async def drain(self, caller: Caller, name: WorkerName) -> Worker:
        """Has a worker take no more runs; raises RESOURCE_NOT_FOUND."""

        def work(resources: Resources) -> Worker:
            worker = _found_worker(resources, name, lock=True)
            resources.workers.drain(name)
            return replace(worker, draining=True)

        return await self._store.write(caller.tenant_id, work)

    async def pause(self, caller: Caller, name: WorkerName, *, paused: bool) -> Worker:
        """Has a worker take no runs, or take runs again; raises RESOURCE_NOT_FOUND."""

        def work(resources: Resources) -> Worker:
            worker = _found_worker(resources, name, lock=True)
            resources.workers.pause(name, paused=paused)
            return replace(worker, paused=paused)

        return await self._store.write(caller.tenant_id, work)

    async def delete(self, caller: Caller, name: WorkerName) -> None:
        """Removes the record of a worker.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; RESOURCE_IN_USE: it is attached, or has leases.
        """
        now_us = self._clock.now_us()

        def work(resources: Resources) -> None:
            worker = _found_worker(resources, name, lock=True)
            if worker.state(now_us) is not WorkerState.OFFLINE:
                raise _busy_worker(name, "it is attached: stop its process first")
            if worker.leased:
                raise _busy_worker(name, "it has leased runs: they end with their leases")
            resources.workers.remove(name)

        await self._store.write(caller.tenant_id, work)


def add_pool(resources: Resources, made: Pool) -> bool:
    """Makes a pool with its default queue; False when its id is taken.

    Raises:
        ServiceError: QUOTA_EXCEEDED.
    """
    resources.lock_counts()
    if resources.pools.get(made.name) is not None:
        return False
    if resources.pools.count() >= MOST_POOLS:
        raise too_many("pools_per_tenant", MOST_POOLS, "the tenant")
    if not resources.pools.add(made):
        return False
    queue = Queue(
        name=QueueName(*made.name, DEFAULT_QUEUE),
        settings=QueueSettings(),
        created_us=made.created_us,
        updated_us=made.updated_us,
    )
    return resources.queues.add(queue)


def add_queue(resources: Resources, made: Queue) -> bool:
    """Makes a queue of a pool that the transaction has locked; False when its id is taken.

    Raises:
        ServiceError: QUOTA_EXCEEDED.
    """
    if resources.queues.get(made.name) is not None:
        return False
    if resources.queues.count(made.name.pool) >= MOST_QUEUES:
        raise too_many("queues_per_pool", MOST_QUEUES, str(made.name.pool))
    return resources.queues.add(made)


def found_pool(resources: Resources, name: PoolName, *, lock: bool = False) -> Pool:
    """A pool; RESOURCE_NOT_FOUND with the command that makes it."""
    pool = resources.pools.get(name, lock="change" if lock else "")
    if pool is None:
        raise no_pool(name)
    return pool


def found_queue(resources: Resources, name: QueueName, *, lock: bool = False) -> Queue:
    """A queue; raises RESOURCE_NOT_FOUND."""
    queue = resources.queues.get(name, lock="change" if lock else "")
    if queue is None:
        raise not_found(str(name))
    return queue


def check_etag(item: Pool | Queue, etag: str) -> None:
    """Checks that a resource has an etag still; raises ETAG_MISMATCH."""
    if etag and etag != item.etag:
        raise outdated(str(item.name))


def _found_worker(resources: Resources, name: WorkerName, *, lock: bool = False) -> Worker:
    worker = resources.workers.get(name, lock="change" if lock else "")
    if worker is None:
        raise not_found(str(name))
    return worker


def _busy_worker(name: WorkerName, why: str) -> ServiceError:
    return ServiceError(
        reason="RESOURCE_IN_USE",
        message=f"{name} is in use: {why}",
        metadata={"resource": str(name), "used_by": why.partition(":")[0]},
    )


def _changed(
    was: Item, asked: PoolSettings | QueueSettings, fields: Collection[str], etag: str, now_us: int
) -> Item:
    """A pool or queue with some other settings; itself when they are the same."""
    check_etag(was, etag)
    settings = replace(was.settings, **{name: getattr(asked, name) for name in fields})
    if settings == was.settings:
        return was
    return replace(was, settings=settings, revision=was.revision + 1, updated_us=now_us)
