"""What identity adds to the dispatch of runs: tokens for runs, and entries in the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_auth import RunGrant
from towpath_auth.audit import AuditRecord

from towpath_service.identity.application.audit import Draft

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.work.application.attaching import Attached
    from towpath_service.work.domain.leases import Lease

METHOD: Final = "towpath.api.v1.WorkService/AttachWorker"
ACTION: Final = "worker.attach"


class IdentityRunTokens:
    """Makes access tokens for the processes of leased runs."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self._authority = authority
        self._clock = clock

    async def issue(self, lease: Lease, caller: Caller) -> tuple[str, int | None]:
        """A token for a lease's run, valid as long as its worker's key, with its end."""
        run = RunGrant(
            workspace_id=lease.scope.workspace_id,
            run_id=lease.run_id,
            attempt=lease.attempt,
            fence=lease.fence,
        )
        now_us = self._clock.now_us()
        made = await self._authority.run_token(caller, run)
        return made.token, now_us + made.life_seconds * 1_000_000


class AuditAttachments:
    """Records attached workers in the audit log of their tenant."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def __call__(self, caller: Caller, attached: Attached) -> None:
        """Records that an instance of a worker has attached."""
        key = attached.worker.key
        pool = f"workspaces/{key.workspace_id}/workPools/{key.pool_id}"
        record = AuditRecord(
            tenant_id=caller.tenant_id,
            sequence=0,
            recorded_us=0,
            actor=caller.principal,
            credential_id=caller.credential_id,
            action=ACTION,
            method=METHOD,
            resource=f"{pool}/workers/{key.worker_id}",
            outcome="OK",
            reason="",
            address=caller.address,
            trace_id="",
            request="",
        )
        await self._trail.write(Draft(record), outcome="OK", reason="")
