"""Work pools of a workspace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import work_pb2, work_service_pb2
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import from_span, last_segment, to_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """A pool of workers, with the runs that wait for them."""

    id: str
    """Its id, "local"."""
    workspace: str
    """Id of its workspace."""
    kind: str
    """How its workers execute runs: "process", "kubernetes", or another kind."""
    description: str
    job_template: Mapping[str, Any]
    """Template of the job of each run."""
    paused: bool
    """Whether it hands out no runs."""
    concurrency_limit: int | None
    """Most runs leased at once, over all workers; None for no limit."""
    lease_duration: timedelta
    """How long a lease lasts without a renewal."""
    start_timeout: timedelta
    """How long a worker has between accepting a run and its first report."""
    cancel_grace_period: timedelta
    """How long a cancelled run has to end by itself."""
    queued: int
    """Runs that wait and are due."""
    leased: int
    """Runs that are leased."""
    online_workers: int
    created: datetime
    changed: datetime
    etag: str
    """Version of its settings; see `Pools.update`."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/workPools/{id}"."""
        return f"workspaces/{self.workspace}/workPools/{self.id}"


class Pools(Subject):
    """Creates, lists, updates and deletes the work pools of the client's workspace.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        id_: str,
        *,
        kind: str = "process",
        description: str = "",
        job_template: Mapping[str, Any] | None = None,
        paused: bool = False,
        concurrency_limit: int | None = None,
        lease_duration: timedelta | None = None,
        start_timeout: timedelta | None = None,
        cancel_grace_period: timedelta | None = None,
    ) -> WorkPool:
        """Creates a pool with its default queue.

        Args:
            id_: Id of the new pool: 1 to 63 of a-z, 0-9 and -.
            kind: How its workers execute runs: "process", "kubernetes", or another kind.
            description: Description, at most 1024 characters.
            job_template: Template of the job of each run; None for the kind's own.
            paused: Whether it hands out no runs.
            concurrency_limit: Most runs leased at once; None for no limit.
            lease_duration: How long a lease lasts without a renewal; None for 30 seconds.
            start_timeout: How long a worker has to start a run; None for 120 seconds.
            cancel_grace_period: How long a cancelled run has to end; None for 30 seconds.

        Returns:
            The pool as created.

        Raises:
            Conflict: A pool has this id.
        """
        request = work_service_pb2.CreateWorkPoolRequest(
            parent=self._parent,
            work_pool_id=id_,
            work_pool=work_pb2.WorkPool(
                kind=kind,
                description=description,
                job_template_json=json.dumps(job_template) if job_template else "",
                paused=paused,
                concurrency_limit=concurrency_limit or 0,
                lease_duration=from_span(lease_duration),
                start_timeout=from_span(start_timeout),
                cancel_grace_period=from_span(cancel_grace_period),
            ),
        )
        answer = self._calls.unary(
            "WorkService/CreateWorkPool", request, work_service_pb2.CreateWorkPoolResponse
        )
        return _convert_pool(answer.work_pool)

    def get(self, id_: str) -> WorkPool:
        """Returns a pool.

        Args:
            id_: Id of the pool.

        Raises:
            NotFound: No pool has this id.
        """
        request = work_service_pb2.GetWorkPoolRequest(name=self._name(id_))
        answer = self._calls.unary(
            "WorkService/GetWorkPool", request, work_service_pb2.GetWorkPoolResponse
        )
        return _convert_pool(answer.work_pool)

    def list(self) -> Iterator[WorkPool]:
        """Lists the pools of the workspace by id.

        Returns:
            The pools, fetched page by page.
        """
        request = work_service_pb2.ListWorkPoolsRequest(parent=self._parent, page_size=PAGE)
        for page in self._calls.pages(
            "WorkService/ListWorkPools", request, work_service_pb2.ListWorkPoolsResponse
        ):
            yield from map(_convert_pool, page.work_pools)

    def update(
        self,
        id_: str,
        *,
        description: str | None = None,
        job_template: Mapping[str, Any] | None = None,
        paused: bool | None = None,
        concurrency_limit: int | None = None,
        lease_duration: timedelta | None = None,
        start_timeout: timedelta | None = None,
        cancel_grace_period: timedelta | None = None,
        etag: str = "",
    ) -> WorkPool:
        """Changes a pool; what is None stays as it is.

        Args:
            id_: Id of the pool.
            description: Its new description.
            job_template: Its new job template; an empty one is the kind's own.
            paused: Whether it hands out no runs.
            concurrency_limit: Most runs leased at once; 0 for no limit.
            lease_duration: How long a lease lasts without a renewal.
            start_timeout: How long a worker has to start a run.
            cancel_grace_period: How long a cancelled run has to end.
            etag: The etag that the pool must still have; empty for any.

        Returns:
            The pool as it is now.

        Raises:
            NotFound: No pool has this id.
            Conflict: The pool has another etag.
        """
        changes: dict[str, Any] = {
            "description": description,
            "job_template_json": None if job_template is None else json.dumps(job_template),
            "paused": paused,
            "concurrency_limit": concurrency_limit,
            "lease_duration": from_span(lease_duration),
            "start_timeout": from_span(start_timeout),
            "cancel_grace_period": from_span(cancel_grace_period),
        }
        given = {name: value for name, value in changes.items() if value is not None}
        request = work_service_pb2.UpdateWorkPoolRequest(
            work_pool=work_pb2.WorkPool(name=self._name(id_), etag=etag, **given),
            update_mask=FieldMask(paths=given),
        )
        answer = self._calls.unary(
            "WorkService/UpdateWorkPool", request, work_service_pb2.UpdateWorkPoolResponse
        )
        return _convert_pool(answer.work_pool)

    def delete(self, id_: str, *, etag: str = "") -> None:
        """Deletes a pool that no deployment uses and no run waits for, with its queues and workers.

        Args:
            id_: Id of the pool.
            etag: The etag that the pool must still have; empty for any.

        Raises:
            NotFound: No pool has this id.
            Conflict: It is in use, or has another etag.
        """
        request = work_service_pb2.DeleteWorkPoolRequest(name=self._name(id_), etag=etag)
        self._calls.unary(
            "WorkService/DeleteWorkPool", request, work_service_pb2.DeleteWorkPoolResponse
        )

    def _name(self, id_: str) -> str:
        return f"{self._parent}/workPools/{id_}"


def _convert_pool(message: work_pb2.WorkPool) -> WorkPool:
    return WorkPool(
        id=last_segment(message.name),
        workspace=message.name.split("/")[1],
        kind=message.kind,
        description=message.description,
        job_template=json.loads(message.job_template_json or "{}"),
        paused=message.paused,
        concurrency_limit=message.concurrency_limit or None,
        lease_duration=message.lease_duration.ToTimedelta(),
        start_timeout=message.start_timeout.ToTimedelta(),
        cancel_grace_period=message.cancel_grace_period.ToTimedelta(),
        queued=message.queued_count,
        leased=message.leased_count,
        online_workers=message.online_worker_count,
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )
