"""Gives the audit logs of an earlier version their ends, once.

Of those, a tenant of which nothing was ever written down has none; of this one, each has, so that a
log that was wiped differs from one that was never written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.server_keys import ServerKeys
    from towpath_service.identity.domain.principals import Tenant
    from towpath_service.identity.ports.store import IdentityStore, Installation

_PAGE: Final = 500


async def start_audit_logs(store: IdentityStore, keys: ServerKeys, trail: AuditTrail) -> None:
    """Begins each tenant's log that isn't, unless that was done before."""
    if await keys.audit_logs_started():
        return
    after = ""
    while tenants := await store.installation(partial(_tenants, after=after)):
        for tenant in tenants:
            await store.tenant(tenant.tenant_id, partial(trail.begin, tenant_id=tenant.tenant_id))
        after = tenants[-1].slug
    await keys.note_audit_logs_started()


def _tenants(installation: Installation, *, after: str) -> list[Tenant]:
    return installation.tenants.page(after=after, limit=_PAGE)
