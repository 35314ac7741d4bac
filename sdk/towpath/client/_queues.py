"""Queues of work pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import work_pb2, work_service_pb2
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue:
    """A queue of a work pool."""

    id: str
    """Its id, "default"."""
    pool: str
    """Id of its pool."""
    workspace: str
    """Id of its workspace."""
    description: str
    rank: int
    """Rank among the queues of the pool: runs of a queue with a lower number start first."""
    paused: bool
    """Whether it hands out no runs."""
    concurrency_limit: int | None
    """Most runs leased at once, over all workers; None for no limit."""
    queued: int
    """Runs that wait and are due."""
    leased: int
    """Runs that are leased."""
    created: datetime
    changed: datetime
    etag: str
    """Version of its settings; see `Queues.update`."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/workPools/{pool}/queues/{id}"."""
        return f"workspaces/{self.workspace}/workPools/{self.pool}/queues/{self.id}"


class Queues(Subject):
    """Creates, lists, updates and deletes the queues of the work pools of the client's workspace.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        pool: str,
        id_: str,
        *,
        description: str = "",
        rank: int = 100,
        paused: bool = False,
        concurrency_limit: int | None = None,
    ) -> WorkQueue:
        """Creates a queue.

        Args:
            pool: Id of its pool.
            id_: Id of the new queue: 1 to 63 of a-z, 0-9 and -.
            description: Description, at most 1024 characters.
            rank: Rank among the queues of the pool, 1 to 1000; lower ones start first.
            paused: Whether it hands out no runs.
            concurrency_limit: Most runs leased at once; None for no limit.

        Returns:
            The queue as created.

        Raises:
            NotFound: No pool has this id.
            Conflict: A queue of the pool has this id.
        """
        request = work_service_pb2.CreateWorkQueueRequest(
            parent=self._pool(pool),
            work_queue_id=id_,
            work_queue=work_pb2.WorkQueue(
                description=description,
                rank=rank,
                paused=paused,
                concurrency_limit=concurrency_limit or 0,
            ),
        )
        answer = self._calls.unary(
            "WorkService/CreateWorkQueue", request, work_service_pb2.CreateWorkQueueResponse
        )
        return _convert_queue(answer.work_queue)

    def get(self, pool: str, id_: str) -> WorkQueue:
        """Returns a queue.

        Args:
            pool: Id of its pool.
            id_: Id of the queue.

        Raises:
            NotFound: The pool has no such queue.
        """
        request = work_service_pb2.GetWorkQueueRequest(name=self._name(pool, id_))
        answer = self._calls.unary(
            "WorkService/GetWorkQueue", request, work_service_pb2.GetWorkQueueResponse
        )
        return _convert_queue(answer.work_queue)

    def list(self, pool: str) -> Iterator[WorkQueue]:
        """Lists the queues of a pool by id.

        Args:
            pool: Id of the pool.

        Returns:
            The queues, fetched page by page.
        """
        request = work_service_pb2.ListWorkQueuesRequest(parent=self._pool(pool), page_size=PAGE)
        for page in self._calls.pages(
            "WorkService/ListWorkQueues", request, work_service_pb2.ListWorkQueuesResponse
        ):
            yield from map(_convert_queue, page.work_queues)

    def update(
        self,
        pool: str,
        id_: str,
        *,
        description: str | None = None,
        rank: int | None = None,
        paused: bool | None = None,
        concurrency_limit: int | None = None,
        etag: str = "",
    ) -> WorkQueue:
        """Changes a queue; what is None stays as it is.

        Args:
            pool: Id of its pool.
            id_: Id of the queue.
            description: Its new description.
            rank: Its new rank, 1 to 1000.
            paused: Whether it hands out no runs.
            concurrency_limit: Most runs leased at once; 0 for no limit.
            etag: The etag that the queue must still have; empty for any.

        Returns:
            The queue as it is now.

        Raises:
            NotFound: The pool has no such queue.
            Conflict: The queue has another etag.
        """
        changes: dict[str, Any] = {
            "description": description,
            "rank": rank,
            "paused": paused,
            "concurrency_limit": concurrency_limit,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        request = work_service_pb2.UpdateWorkQueueRequest(
            work_queue=work_pb2.WorkQueue(name=self._name(pool, id_), etag=etag, **given),
            update_mask=FieldMask(paths=given),
        )
        answer = self._calls.unary(
            "WorkService/UpdateWorkQueue", request, work_service_pb2.UpdateWorkQueueResponse
        )
        return _convert_queue(answer.work_queue)

    def delete(self, pool: str, id_: str, *, etag: str = "") -> None:
        """Deletes a queue that no deployment uses and no run waits in.

        Args:
            pool: Id of its pool.
            id_: Id of the queue.
            etag: The etag that the queue must still have; empty for any.

        Raises:
            NotFound: The pool has no such queue.
            Conflict: It is in use, is the default queue, or has another etag.
        """
        request = work_service_pb2.DeleteWorkQueueRequest(name=self._name(pool, id_), etag=etag)
        self._calls.unary(
            "WorkService/DeleteWorkQueue", request, work_service_pb2.DeleteWorkQueueResponse
        )

    def _pool(self, pool: str) -> str:
        return f"{self._parent}/workPools/{pool}"

    def _name(self, pool: str, id_: str) -> str:
        return f"{self._pool(pool)}/queues/{id_}"


def _convert_queue(message: work_pb2.WorkQueue) -> WorkQueue:
    _, workspace, _, pool, _, id_ = message.name.split("/")
    return WorkQueue(
        id=id_,
        pool=pool,
        workspace=workspace,
        description=message.description,
        rank=message.rank,
        paused=message.paused,
        concurrency_limit=message.concurrency_limit or None,
        queued=message.queued_count,
        leased=message.leased_count,
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )
