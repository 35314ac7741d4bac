"""Hands waiting runs to the workers that are attached to this replica.

One loop claims for all of them, a transaction after the other, so that no run takes a transaction
of its own under load. It is woken by notices of pools; the poll behind them finds what a lost
notice told, and runs whose time has come.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.turns import Turns
from towpath_service.work.application.claiming import Bidder, Claimed, claim
from towpath_service.work.application.job_templates import check_template
from towpath_service.work.application.noting import no_claims
from towpath_service.work.application.workers import Grant, Granted
from towpath_service.work.domain.dispatching import WorkerKey
from towpath_service.work.domain.leases import Lease, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_auth import Caller

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.work.application.lease_work import LeaseWork
    from towpath_service.work.application.noting import NoteClaimed
    from towpath_service.work.application.workers import AttachedWorker, Workers
    from towpath_service.work.domain.dispatching import PoolKey
    from towpath_service.work.ports.dispatching import DispatchStore, JobRow

POLL_SECONDS: Final = 1.0
MOST_CLAIMS: Final = 100
"""Most claims of a transaction; a portion that a small tenant may have to wait for."""

_log = logging.getLogger(__name__)


class RunTokens(Protocol):
    """Makes access tokens for the processes of runs."""

    async def issue(self, lease: Lease, caller: Caller) -> tuple[str, int | None]:
        """A token for a lease's run, with its end; an empty one where there is no identity.

        Args:
            lease: The lease.
            caller: The caller that its worker is.

        Returns:
            The token, and its end in microseconds since the Unix epoch, None for none.

        Raises:
            ServiceError: The caller may no longer have any.
        """
        ...


class NoTokens:
    """Makes no tokens: for a service without identity."""

    async def issue(self, lease: Lease, caller: Caller) -> tuple[str, int | None]:
        """No token."""
        del lease, caller
        return "", None


class Dispatcher:
    """Claims runs for the attached workers, and sends them the leases."""

    def __init__(
        self,
        store: DispatchStore,
        workers: Workers,
        lease_work: LeaseWork,
        bus: Bus,
        clock: Clock,
        tokens: RunTokens | None = None,
        *,
        note: NoteClaimed = no_claims,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Takes its parts.

        Args:
            store: Where runs wait.
            workers: The attached workers.
            lease_work: Ends leases whose job can't be worked out.
            bus: Is notified of the changes of runs.
            clock: The clock.
            tokens: Makes tokens for runs; None for none.
            note: Takes what claims came to.
            poll_seconds: Pause between two looks without a notice.
        """
        self._store = store
        self._workers = workers
        self._lease_work = lease_work
        self._bus = bus
        self._clock = clock
        self._tokens = tokens or NoTokens()
        self._note = note
        self._poll_seconds = poll_seconds
        self._turns = Turns()

    async def run(self) -> None:
        """Dispatches; never returns. Nothing is read while no worker has a free slot."""
        while True:
            pools = await self._workers.ready.take(self._poll_seconds)
            try:
                await self.dispatch(pools)
            except ServiceError as error:
                _log.warning("waiting runs could not be handed out: %s", error)
                await asyncio.sleep(self._poll_seconds)

    async def dispatch(self, pools: Collection[PoolKey] | None = None) -> int:
        """Claims all that the workers of pools can take; returns how many runs that was."""
        total = 0
        while bidders := self._workers.bidders(pools):
            began_us = self._clock.now_us()
            claimed = await self._claim(bidders)
            total += len(claimed.granted)
            await self._hand_over(claimed)
            self._note(claimed, began_us)
            if not claimed.removed:
                break
        return total

    async def _claim(self, bidders: Sequence[Bidder]) -> Claimed:
        now = asyncio.get_running_loop().time()
        claimed = await self._store.write(
            {bidder.worker.key.tenant_id for bidder in bidders},
            partial(
                claim,
                bidders=bidders,
                now_us=self._clock.now_us(),
                most=MOST_CLAIMS,
                order=lambda tenants: self._turns.order(tenants, now),
            ),
        )
        for scope in claimed.scopes:
            self._bus.notify(scope)
        if claimed.workers:
            attachments = {bidder.worker.key: bidder.attachment for bidder in bidders}
            self._workers.follow(attachments, claimed.workers)
        counts: dict[str, int] = {}
        for lease, _ in claimed.granted:
            counts[lease.scope.tenant_id] = counts.get(lease.scope.tenant_id, 0) + 1
        for tenant_id, count in counts.items():
            self._turns.note(tenant_id, count, count, now)
        return claimed

    async def _hand_over(self, claimed: Claimed) -> None:
        by_worker: dict[WorkerKey, list[tuple[Lease, JobRow | None]]] = {}
        for lease, job in claimed.granted:
            key = WorkerKey(*lease.scope, lease.pool_id, lease.worker_id)
            by_worker.setdefault(key, []).append((lease, job))
        for key, leases in by_worker.items():
            worker = self._workers.get(key)
            # A worker that is gone attaches again and gets its leases then, or they expire.
            if worker is not None and worker.attachment == claimed.workers[key].attachment:
                worker.leases.update(lease.lease_id for lease, _ in leases)
                grants = await self.grants(worker, leases)
                if grants:
                    worker.send(Granted(grants))

    async def grants(
        self, worker: AttachedWorker, leases: Sequence[tuple[Lease, JobRow | None]]
    ) -> list[Grant]:
        """Leases as their worker gets them; those that can't be carried out are ended instead."""
        made = [await self._grant(worker, lease, job) for lease, job in leases]
        return [grant for grant in made if grant is not None]

    async def _grant(
        self, worker: AttachedWorker, lease: Lease, job: JobRow | None
    ) -> Grant | None:
        if job is None or job.content is None:
            await self._lease_work.end_one(
                worker, lease.lease_id, Outcome.START_FAILED, "its deployment was deleted"
            )
            return None
        try:
            check_template(job.kind, job.merged_template, "its job template")
        except (ServiceError, ValueError) as error:
            await self._lease_work.end_one(worker, lease.lease_id, Outcome.START_FAILED, str(error))
            return None
        try:
            token, expires_us = await self.token(worker, lease)
        except ServiceError as error:
            _log.warning("run %s gets no token, and is queued again: %s", lease.run_id, error)
            return None
        return Grant(lease=lease, job=job, token=token, token_expires_us=expires_us)

    async def token(self, worker: AttachedWorker, lease: Lease) -> tuple[str, int | None]:
        """A token for the run of a lease, with its end; raises as `RunTokens.issue`."""
        return await self._tokens.issue(lease, worker.caller)
