"""Gives the audit logs of an earlier version their sealed ends, once, at the start of a server.

In earlier versions, the log of a tenant without entries had no end. Now each log has one, so that a
log that was wiped differs from one without entries.
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
    """Begins the log of each tenant that has none, unless an earlier start did so."""
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
