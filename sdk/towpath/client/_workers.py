"""Workers of work pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from towpath.api.v1 import work_pb2, work_service_pb2
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

WorkerState = Literal["online", "paused", "draining", "offline"]
"""Whether a worker takes runs: attached, attached and waiting to be resumed, attached and
finishing, not attached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that executes runs."""

    id: str
    """Its id, the same after a restart."""
    pool: str
    """Id of its pool."""
    workspace: str
    """Id of its workspace."""
    instance: str
    """UUID of this incarnation, new with each start of the process."""
    state: WorkerState
    slots: int
    """Most runs that it executes at once."""
    leased: int
    """Runs that it has leased."""
    queues: tuple[str, ...]
    """Ids of the queues that it serves; empty for all of the pool."""
    labels: Mapping[str, str]
    version: str
    host: str
    principal: str
    """The principal that it attached as."""
    created: datetime
    """When it attached first."""
    seen: datetime
    """When it was last heard from."""
    clock_offset: timedelta | None = None
    """How far its clock was ahead of the service's when it attached; None if not known."""
    paused: bool = False
    """Whether it takes no runs until it is resumed, also while it is offline."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/workPools/{pool}/workers/{id}"."""
        return f"workspaces/{self.workspace}/workPools/{self.pool}/workers/{self.id}"


class Workers(Subject):
    """Lists, pauses, drains and deletes the workers of the work pools of the client's workspace.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def get(self, pool: str, id_: str) -> Worker:
        """Returns a worker.

        Args:
            pool: Id of its pool.
            id_: Id of the worker.

        Raises:
            NotFound: The pool has no such worker.
        """
        request = work_service_pb2.GetWorkerRequest(name=self._name(pool, id_))
        answer = self._calls.unary(
            "WorkService/GetWorker", request, work_service_pb2.GetWorkerResponse
        )
        return _convert_worker(answer.worker)

    def list(self, pool: str) -> Iterator[Worker]:
        """Lists the workers of a pool by id.

        Args:
            pool: Id of the pool.

        Returns:
            The workers, fetched page by page.
        """
        parent = f"{self._parent}/workPools/{pool}"
        request = work_service_pb2.ListWorkersRequest(parent=parent, page_size=PAGE)
        for page in self._calls.pages(
            "WorkService/ListWorkers", request, work_service_pb2.ListWorkersResponse
        ):
            yield from map(_convert_worker, page.workers)

    def drain(self, pool: str, id_: str) -> Worker:
        """Has a worker take no more runs; it finishes those that it has.

        Args:
            pool: Id of its pool.
            id_: Id of the worker.

        Returns:
            The worker as it is now.

        Raises:
            NotFound: The pool has no such worker.
        """
        request = work_service_pb2.DrainWorkerRequest(name=self._name(pool, id_))
        answer = self._calls.unary(
            "WorkService/DrainWorker", request, work_service_pb2.DrainWorkerResponse
        )
        return _convert_worker(answer.worker)

    def pause(self, pool: str, id_: str) -> Worker:
        """Has a worker take no runs until it is resumed, also after a restart.

        Args:
            pool: Id of its pool.
            id_: Id of the worker.

        Returns:
            The worker as it is now.

        Raises:
            NotFound: The pool has no such worker.
        """
        request = work_service_pb2.PauseWorkerRequest(name=self._name(pool, id_))
        answer = self._calls.unary(
            "WorkService/PauseWorker", request, work_service_pb2.PauseWorkerResponse
        )
        return _convert_worker(answer.worker)

    def resume(self, pool: str, id_: str) -> Worker:
        """Has a paused worker take runs again.

        Args:
            pool: Id of its pool.
            id_: Id of the worker.

        Returns:
            The worker as it is now.

        Raises:
            NotFound: The pool has no such worker.
        """
        request = work_service_pb2.ResumeWorkerRequest(name=self._name(pool, id_))
        answer = self._calls.unary(
            "WorkService/ResumeWorker", request, work_service_pb2.ResumeWorkerResponse
        )
        return _convert_worker(answer.worker)

    def delete(self, pool: str, id_: str) -> None:
        """Deletes the record of a worker that is offline.

        Args:
            pool: Id of its pool.
            id_: Id of the worker.

        Raises:
            NotFound: The pool has no such worker.
            Conflict: It is attached, or has leased runs.
        """
        request = work_service_pb2.DeleteWorkerRequest(name=self._name(pool, id_))
        self._calls.unary(
            "WorkService/DeleteWorker", request, work_service_pb2.DeleteWorkerResponse
        )

    def _name(self, pool: str, id_: str) -> str:
        return f"{self._parent}/workPools/{pool}/workers/{id_}"


def _convert_worker(message: work_pb2.Worker) -> Worker:
    _, workspace, _, pool, _, id_ = message.name.split("/")
    state = work_pb2.WorkerState.Name(message.state).removeprefix("WORKER_STATE_").lower()
    return Worker(
        id=id_,
        pool=pool,
        workspace=workspace,
        instance=message.instance_id,
        state=cast("WorkerState", state),
        slots=message.slots,
        leased=message.leased_count,
        queues=tuple(message.queues),
        labels=dict(message.labels),
        version=message.version,
        host=message.host,
        principal=message.principal,
        created=to_time(message.create_time),
        seen=to_time(message.seen_time),
        clock_offset=message.clock_offset.ToTimedelta()
        if message.HasField("clock_offset")
        else None,
        paused=message.paused,
    )
