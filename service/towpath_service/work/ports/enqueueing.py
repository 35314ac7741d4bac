"""The port of enqueueing: the rows of new runs, beside those that `runs` keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.ingest import RunKey
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.domain.requests import RunRequest


class RequestKey(NamedTuple):
    """A request to create a run, among those of its deployment."""

    scope: Scope
    flow_id: str
    deployment_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A run that waits for a worker."""

    scope: Scope
    run_id: str
    pool_id: str
    queue_id: str
    flow_id: str
    deployment_id: str
    schedule_id: str
    priority: int
    due_us: int
    deadline_us: int | None
    parked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedOrigin:
    """What the next attempt of a run is made from."""

    run: RunKey
    deployment_revision: int
    pool_id: str
    queue_id: str
    """Queue of the deployment; a run that stays in its pool stays in its queue."""
    attempt: int
    """The number of the next attempt."""
    from_tasks: tuple[str, ...] = ()
    """Tasks that are to run again even if their results are kept."""


class Enqueueing(Protocol):
    """One transaction on the queue of runs."""

    def claim_keys(self, keys: Mapping[RequestKey, str], now_us: int) -> dict[RequestKey, str]:
        """Gives keys to runs, and returns the run that each key belongs to.

        A key that is taken keeps its run. Another transaction that claims the same key waits until
        this one has ended.

        Args:
            keys: Ids of new runs by their key.
            now_us: The time.
        """
        ...

    def pass_keys(self, keys: Mapping[RequestKey, str], now_us: int) -> None:
        """Gives claimed keys to other runs."""
        ...

    def deployments_of(self, tenant_id: str, run_ids: Collection[str]) -> dict[str, str]:
        """The deployments of runs as "workspace/flow/deployment", by run id.

        Runs without a deployment are left out.
        """
        ...

    def room(self, tenant_id: str, most: int, wanted: int) -> int:
        """How many of some new runs a tenant may queue.

        Args:
            tenant_id: The tenant.
            most: Most queued runs that it may have.
            wanted: The number of new runs.
        """
        ...

    def add_origins(self, requests: Sequence[RunRequest]) -> None:
        """Records what new runs were created from."""
        ...

    def renew_origin(self, renewed: RenewedOrigin) -> None:
        """Has the next attempt of a run made from what its deployment is now."""
        ...

    def add_entries(self, entries: Sequence[QueueEntry]) -> None:
        """Queues runs and wakes their pools; a run that is queued already stays as it is."""
        ...

    def lock_entries(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Locks queue entries until the transaction ends, before their runs are read.

        A transaction that hands the runs out has ended then, or leaves them out.
        """
        ...

    def lock_of_deployment(self, tenant_id: str, name: DeploymentName) -> list[str]:
        """Locks the queue entries of a deployment, and returns the ids of their runs."""
        ...

    def remove_entries(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Takes runs out of the queue; those that aren't queued are left out."""
        ...
