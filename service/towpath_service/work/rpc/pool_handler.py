"""The handlers of WorkService about pools, queues and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import work_service_pb2 as pb

from towpath_service.core.names import parse_workspace
from towpath_service.rpc.paging import page_of, read_page
from towpath_service.work.domain.names import (
    PoolName,
    QueueName,
    parse_pool,
    parse_queue,
    parse_worker,
)
from towpath_service.work.domain.pools import PoolUse
from towpath_service.work.rpc.convert_pools import (
    POOL_FIELDS,
    QUEUE_FIELDS,
    pool_message,
    queue_message,
    to_pool_settings,
    to_queue_settings,
    worker_message,
)
from towpath_service.work.rpc.masks import chosen

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.work.application.pools import WorkerRecords, WorkPools, WorkQueues


class PoolHandler:
    """Manages pools."""

    service: ClassVar[str] = "towpath.api.v1.WorkService"

    def __init__(self, pools: WorkPools) -> None:
        self._pools = pools

    async def create_work_pool(
        self, request: pb.CreateWorkPoolRequest, caller: Caller
    ) -> pb.CreateWorkPoolResponse:
        """Makes a pool with its default queue."""
        name = PoolName(parse_workspace(request.parent), request.work_pool_id)
        made = await self._pools.create(caller, name, to_pool_settings(request.work_pool))
        return pb.CreateWorkPoolResponse(work_pool=pool_message(made, PoolUse()))

    async def get_work_pool(
        self, request: pb.GetWorkPoolRequest, caller: Caller
    ) -> pb.GetWorkPoolResponse:
        """Describes a pool."""
        pool, use = await self._pools.get(caller, parse_pool(request.name))
        return pb.GetWorkPoolResponse(work_pool=pool_message(pool, use))

    async def list_work_pools(
        self, request: pb.ListWorkPoolsRequest, caller: Caller
    ) -> pb.ListWorkPoolsResponse:
        """Lists pools."""
        found, token = page_of(
            await self._pools.pools(caller, parse_workspace(request.parent)),
            caller,
            f"ListWorkPools/{request.parent}",
            size=request.page_size,
            token=request.page_token,
        )
        shown = await self._pools.uses(caller, found)
        return pb.ListWorkPoolsResponse(
            work_pools=[pool_message(pool, use) for pool, use in shown], next_page_token=token
        )

    async def update_work_pool(
        self, request: pb.UpdateWorkPoolRequest, caller: Caller
    ) -> pb.UpdateWorkPoolResponse:
        """Changes a pool."""
        asked = request.work_pool
        name = parse_pool(asked.name, "work_pool.name")
        # Without a kind, an update of all leaves it as it is: it can't be changed.
        kept = () if asked.kind else ("kind",)
        fields = chosen(request.update_mask, POOL_FIELDS, but=kept)
        await self._pools.update(caller, name, to_pool_settings(asked), fields, asked.etag)
        pool, use = await self._pools.get(caller, name)
        return pb.UpdateWorkPoolResponse(work_pool=pool_message(pool, use))

    async def delete_work_pool(
        self, request: pb.DeleteWorkPoolRequest, caller: Caller
    ) -> pb.DeleteWorkPoolResponse:
        """Removes a pool that nothing uses."""
        await self._pools.delete(caller, parse_pool(request.name), request.etag)
        return pb.DeleteWorkPoolResponse()


class QueueHandler:
    """Manages queues."""

    service: ClassVar[str] = "towpath.api.v1.WorkService"

    def __init__(self, queues: WorkQueues) -> None:
        self._queues = queues

    async def create_work_queue(
        self, request: pb.CreateWorkQueueRequest, caller: Caller
    ) -> pb.CreateWorkQueueResponse:
        """Makes a queue."""
        name = QueueName(*parse_pool(request.parent, "parent"), request.work_queue_id)
        made = await self._queues.create(caller, name, to_queue_settings(request.work_queue))
        return pb.CreateWorkQueueResponse(work_queue=queue_message(made, PoolUse()))

    async def get_work_queue(
        self, request: pb.GetWorkQueueRequest, caller: Caller
    ) -> pb.GetWorkQueueResponse:
        """Describes a queue."""
        queue, use = await self._queues.get(caller, parse_queue(request.name))
        return pb.GetWorkQueueResponse(work_queue=queue_message(queue, use))

    async def list_work_queues(
        self, request: pb.ListWorkQueuesRequest, caller: Caller
    ) -> pb.ListWorkQueuesResponse:
        """Lists the queues of a pool."""
        found, token = page_of(
            await self._queues.queues(caller, parse_pool(request.parent, "parent")),
            caller,
            f"ListWorkQueues/{request.parent}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListWorkQueuesResponse(
            work_queues=[queue_message(queue, use) for queue, use in found], next_page_token=token
        )

    async def update_work_queue(
        self, request: pb.UpdateWorkQueueRequest, caller: Caller
    ) -> pb.UpdateWorkQueueResponse:
        """Changes a queue."""
        asked = request.work_queue
        name = parse_queue(asked.name, "work_queue.name")
        fields = chosen(request.update_mask, QUEUE_FIELDS)
        await self._queues.update(caller, name, to_queue_settings(asked), fields, asked.etag)
        queue, use = await self._queues.get(caller, name)
        return pb.UpdateWorkQueueResponse(work_queue=queue_message(queue, use))

    async def delete_work_queue(
        self, request: pb.DeleteWorkQueueRequest, caller: Caller
    ) -> pb.DeleteWorkQueueResponse:
        """Removes a queue that nothing uses."""
        await self._queues.delete(caller, parse_queue(request.name), request.etag)
        return pb.DeleteWorkQueueResponse()


class WorkerHandler:
    """Lists, drains and removes workers."""

    service: ClassVar[str] = "towpath.api.v1.WorkService"

    def __init__(self, workers: WorkerRecords) -> None:
        self._workers = workers

    async def get_worker(
        self, request: pb.GetWorkerRequest, caller: Caller
    ) -> pb.GetWorkerResponse:
        """Describes a worker."""
        worker = await self._workers.get(caller, parse_worker(request.name))
        return pb.GetWorkerResponse(worker=worker_message(worker, self._workers.now_us))

    async def list_workers(
        self, request: pb.ListWorkersRequest, caller: Caller
    ) -> pb.ListWorkersResponse:
        """Lists the workers of a pool."""
        pool = parse_pool(request.parent, "parent")
        found, token = await read_page(
            lambda after, limit: self._workers.workers(caller, pool, "".join(after), limit),
            lambda worker: (worker.name.worker_id,),
            caller,
            f"ListWorkers/{request.parent}",
            size=request.page_size,
            token=request.page_token,
        )
        now_us = self._workers.now_us
        return pb.ListWorkersResponse(
            workers=[worker_message(worker, now_us) for worker in found], next_page_token=token
        )

    async def drain_worker(
        self, request: pb.DrainWorkerRequest, caller: Caller
    ) -> pb.DrainWorkerResponse:
        """Has a worker take no more runs."""
        worker = await self._workers.drain(caller, parse_worker(request.name))
        return pb.DrainWorkerResponse(worker=worker_message(worker, self._workers.now_us))

    async def pause_worker(
        self, request: pb.PauseWorkerRequest, caller: Caller
    ) -> pb.PauseWorkerResponse:
        """Has a worker take no runs until it is resumed."""
        worker = await self._workers.pause(caller, parse_worker(request.name), paused=True)
        return pb.PauseWorkerResponse(worker=worker_message(worker, self._workers.now_us))

    async def resume_worker(
        self, request: pb.ResumeWorkerRequest, caller: Caller
    ) -> pb.ResumeWorkerResponse:
        """Has a paused worker take runs again."""
        worker = await self._workers.pause(caller, parse_worker(request.name), paused=False)
        return pb.ResumeWorkerResponse(worker=worker_message(worker, self._workers.now_us))

    async def delete_worker(
        self, request: pb.DeleteWorkerRequest, caller: Caller
    ) -> pb.DeleteWorkerResponse:
        """Removes the record of a worker that is offline."""
        await self._workers.delete(caller, parse_worker(request.name))
        return pb.DeleteWorkerResponse()
