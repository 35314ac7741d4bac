"""The store of creating and controlling runs, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from towpath_service.runs.domain.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.core.transactions import Transaction
    from towpath_service.runs.ports.ingest import IngestTransaction, RunKey
    from towpath_service.runs.ports.inputs import RunInputs
    from towpath_service.runs.ports.pauses import Pauses
    from towpath_service.work.ports.enqueueing import Enqueueing
    from towpath_service.work.ports.resources import Resources

Result = TypeVar("Result")

CANCEL: Final = 1
PAUSE: Final = 2
"""Kinds of directives, numbered as in the contract."""
PAUSABLE: Final = frozenset({RunState.RUNNING, RunState.RETRYING})
"""States of a run whose process can be asked to pause it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """A lease of a run, as it is now."""

    run_id: str
    lease_id: str
    fence: int
    attempt: int
    pool_id: str
    worker_id: str
    phase: int
    pid: int
    expires_us: int
    grace_us: int
    """How long a cancelled run has to end by itself, by its pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveRow:
    """A request about a run, kept until the run's reports show that it was followed."""

    scope: Scope
    run_id: str
    kind: int
    """CANCEL or PAUSE."""
    revision: int
    """Revision of the run that gave rise to it."""
    message: str
    grace_us: int | None
    """Time until the process is stopped; None if nobody stops it."""
    actor: str
    created_us: int
    producer_id: str | None = None
    """The producer that reported the run last; it is woken."""
    pool_id: str = ""
    """The pool of the worker that has leased the run, which is woken; empty for none."""


class Control(Protocol):
    """One transaction over runs and their work."""

    @property
    def runs(self) -> IngestTransaction:
        """The runs within the transaction."""
        ...

    @property
    def pauses(self) -> Pauses:
        """The pauses of runs within the transaction."""
        ...

    @property
    def inputs(self) -> RunInputs:
        """The inputs that were sent to runs within the transaction."""
        ...

    @property
    def queue(self) -> Enqueueing:
        """The queue within the transaction."""
        ...

    def resources(self, tenant_id: str) -> Resources:
        """Pools, queues and deployments of a tenant within the transaction."""
        ...

    def leases(self, tenant_id: str, run_ids: Collection[str]) -> dict[str, LeaseRow]:
        """The leases of runs, by run id."""
        ...

    def lease_of_worker(self, scope: Scope, lease_id: str, principal: str) -> LeaseRow | None:
        """A lease that a worker of a principal holds; None if none of its workers does."""
        ...

    def queue_again(self, run: RunKey, due_us: int, *, started: bool) -> None:
        """Queues a run of a deployment that isn't queued, and wakes its pool.

        Args:
            run: The run.
            due_us: When it is due; not before the time that it was scheduled for.
            started: Whether it was started before, so that no start deadline holds any more.
        """
        ...

    def unfinished_below(self, scope: Scope, run_id: str, limit: int) -> list[str]:
        """Ids of flow runs below a run that are neither at their end nor asked to end."""
        ...

    def put_directives(self, directives: Sequence[DirectiveRow]) -> None:
        """Keeps directives, and wakes their producers and workers.

        Each takes the place of an earlier one of its run.
        """
        ...

    def remove_directives(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Removes the directives of runs, which were followed."""
        ...


class ControlStore(Protocol):
    """A store over runs and their work."""

    def on(self, transaction: Transaction) -> Control:
        """The work within a transaction that another store has opened."""
        ...

    async def write(self, tenants: Collection[str], work: Callable[[Control], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction; it may run more than once.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...

    async def read(self, tenants: Collection[str], work: Callable[[Control], Result]) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...
