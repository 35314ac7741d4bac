"""The store of pools, queues, workers, deployments and schedules as a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towpath_service.core.transactions import Transaction
    from towpath_service.work.domain.deployments import Deployment, DeploymentContent
    from towpath_service.work.domain.names import (
        DeploymentName,
        FlowName,
        PoolName,
        QueueName,
        ScheduleName,
        WorkerName,
    )
    from towpath_service.work.domain.pools import Pool, PoolUse, Queue, Worker
    from towpath_service.work.domain.schedules import Schedule, Slot

Result = TypeVar("Result")

Lock = Literal["", "keep", "change"]
"""How a row that is read is locked until the transaction ends: not at all; against its removal; or
against any change, and against those that keep it."""


class Pools(Protocol):
    """The pools of one tenant."""

    def get(self, name: PoolName, *, lock: Lock = "") -> Pool | None:
        """A pool; None when there is none."""
        ...

    def of_workspace(self, workspace_id: str) -> list[Pool]:
        """The pools of a workspace, by id."""
        ...

    def count(self) -> int:
        """The number of pools of the tenant."""
        ...

    def add(self, pool: Pool) -> bool:
        """Makes a pool; False when its id is taken."""
        ...

    def change(self, pool: Pool) -> None:
        """Replaces a pool, which the transaction has locked."""
        ...

    def remove(self, name: PoolName) -> None:
        """Removes a pool with its queues and workers."""
        ...

    def uses(
        self, workspace_id: str, pool_ids: Sequence[str], now_us: int
    ) -> Mapping[str, PoolUse]:
        """Counts runs and workers of pools, by pool id."""
        ...

    def users(self, name: PoolName) -> str:
        """What uses a pool, such as "deployments"; empty when nothing does."""
        ...


class Queues(Protocol):
    """The queues of one tenant's pools."""

    def get(self, name: QueueName, *, lock: Lock = "") -> Queue | None:
        """A queue; None when there is none."""
        ...

    def of_pool(self, name: PoolName) -> list[Queue]:
        """The queues of a pool, by id."""
        ...

    def count(self, name: PoolName) -> int:
        """The number of queues of a pool."""
        ...

    def add(self, queue: Queue) -> bool:
        """Makes a queue; False when its id is taken."""
        ...

    def change(self, queue: Queue) -> None:
        """Replaces a queue, which the transaction has locked."""
        ...

    def remove(self, name: QueueName) -> None:
        """Removes a queue."""
        ...

    def uses(self, name: PoolName, now_us: int) -> Mapping[str, PoolUse]:
        """Counts runs of the queues of a pool, by queue id."""
        ...

    def users(self, name: QueueName) -> str:
        """What uses a queue, such as "deployments"; empty when nothing does."""
        ...


class Workers(Protocol):
    """The records of one tenant's workers."""

    def get(self, name: WorkerName, *, lock: Lock = "") -> Worker | None:
        """A worker; None when there is none."""
        ...

    def page(self, name: PoolName, after: str, limit: int) -> list[Worker]:
        """A page of a pool's workers by id: the first ones above `after`."""
        ...

    def drain(self, name: WorkerName) -> None:
        """Has a worker take no more runs."""
        ...

    def pause(self, name: WorkerName, *, paused: bool) -> None:
        """Has a worker take no runs, or take runs again."""
        ...

    def remove(self, name: WorkerName) -> None:
        """Removes the record of a worker."""
        ...


class Deployments(Protocol):
    """The deployments of one tenant."""

    def get(self, name: DeploymentName, *, lock: Lock = "") -> Deployment | None:
        """A deployment as it is now; None when there is none."""
        ...

    def content(self, name: DeploymentName, revision: int) -> DeploymentContent | None:
        """The content of a revision; None when there is none."""
        ...

    def page(
        self,
        workspace_id: str,
        after: tuple[str, ...],
        limit: int,
        *,
        flow_id: str = "",
        pool_id: str = "",
    ) -> list[Deployment]:
        """A page of deployments by flow and id.

        Args:
            workspace_id: Their workspace.
            after: Flow and id before the page; empty for the first page.
            limit: Most deployments.
            flow_id: Their flow; empty for any.
            pool_id: Their pool; empty for any.
        """
        ...

    def count(self) -> int:
        """The number of deployments of the tenant."""
        ...

    def add(self, made: Deployment) -> bool:
        """Makes a deployment with its first revision; False when its id is taken."""
        ...

    def change(self, now: Deployment) -> None:
        """Adds the next revision of a deployment, which the transaction has locked."""
        ...

    def remove(self, name: DeploymentName) -> None:
        """Removes a deployment with its revisions, schedules, slots and keys of runs."""
        ...

    def add_flow(self, name: FlowName, display_name: str, now_us: int) -> None:
        """Makes a flow unless it is there."""
        ...


class Schedules(Protocol):
    """The schedules of one tenant."""

    def get(self, name: ScheduleName) -> Schedule | None:
        """A schedule; None when there is none."""
        ...

    def of_deployment(self, name: DeploymentName, *, lock: Lock = "") -> list[Schedule]:
        """The schedules of a deployment, by id."""
        ...

    def page(self, parent: DeploymentName, after: tuple[str, ...], limit: int) -> list[Schedule]:
        """A page of schedules by flow, deployment and id.

        Args:
            parent: Their deployment; "-" for any flow, and for any deployment.
            after: Flow, deployment and id before the page; empty for the first page.
            limit: Most schedules.
        """
        ...

    def count(self) -> int:
        """The number of schedules of the tenant."""
        ...

    def next_times(
        self, workspace_id: str, names: Sequence[DeploymentName]
    ) -> Mapping[DeploymentName, int]:
        """The next time at which each of some deployments runs by itself; without those with none.

        Args:
            workspace_id: Their workspace.
            names: The deployments.
        """
        ...

    def last_times(self, names: Sequence[ScheduleName]) -> Mapping[ScheduleName, int]:
        """The last due time that was decided of each of some schedules of one deployment."""
        ...

    def add(self, made: Schedule) -> bool:
        """Makes a schedule; False when its id is taken."""
        ...

    def change(self, now: Schedule) -> None:
        """Replaces a schedule, which the transaction has locked."""
        ...

    def remove(self, name: ScheduleName) -> None:
        """Removes a schedule with its slots."""
        ...

    def add_slots(self, name: ScheduleName, slots: Sequence[Slot]) -> None:
        """Records decisions on due times; each due time has at most one."""
        ...

    def slots(self, name: ScheduleName, before_us: int | None, limit: int) -> list[Slot]:
        """A page of the slots of a schedule, newest first.

        Args:
            name: The schedule.
            before_us: Due time after the page; None for the first page.
            limit: Most slots.
        """
        ...


class Resources(Protocol):
    """One transaction on the resources of one tenant."""

    @property
    def transaction(self) -> Transaction:
        """The transaction, for other stores that take part."""
        ...

    @property
    def pools(self) -> Pools:
        """Pools."""
        ...

    @property
    def queues(self) -> Queues:
        """Queues."""
        ...

    @property
    def workers(self) -> Workers:
        """Records of workers."""
        ...

    @property
    def deployments(self) -> Deployments:
        """Deployments."""
        ...

    @property
    def schedules(self) -> Schedules:
        """Schedules, with their slots."""
        ...

    def lock_counts(self) -> None:
        """Makes other transactions that count the tenant's resources wait for this one's end."""
        ...


class ResourceStore(Protocol):
    """A store that keeps resources of work."""

    def on(self, transaction: Transaction, tenant_id: str) -> Resources:
        """The resources of one tenant within a transaction that another subject has opened."""
        ...

    async def read(self, tenant_id: str, work: Callable[[Resources], Result]) -> Result:
        """Runs reads of one tenant's resources, which see one state of them."""
        ...

    async def write(self, tenant_id: str, work: Callable[[Resources], Result]) -> Result:
        """Runs work on one tenant's resources in one transaction."""
        ...


class WaitingRuns(Protocol):
    """The runs of deployments that wait, as the removal of a deployment needs them.

    Within a transaction that removes a deployment, `lock` comes before any other lock, and `cancel`
    once the deployment is locked; `tell` follows the commit.
    """

    def lock(self, transaction: Transaction, tenant_id: str, name: DeploymentName) -> None:
        """Locks the queue entries of a deployment."""
        ...

    def cancel(
        self, transaction: Transaction, tenant_id: str, name: DeploymentName, *, actor: str
    ) -> int:
        """Cancels the waiting runs of a deployment, and removes their queue entries.

        Args:
            transaction: The transaction that removes the deployment.
            tenant_id: Its tenant.
            name: The deployment.
            actor: Resource name of the principal that removes it.

        Returns:
            The number of cancelled runs.
        """
        ...

    def tell(self, tenant_id: str, name: DeploymentName) -> None:
        """Wakes the watches of the workspace after the commit."""
        ...
