"""Quotas of tenants, for other subjects to read within their transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from towpath_service.database.port import sql_of
from towpath_service.identity.storage.tables import tenant

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_service.core.transactions import Transaction

# Every commit runs this statement, and building it takes longer than running it.
_QUOTAS: Final = select(tenant.c.tenant_id, tenant.c.quotas).where(
    tenant.c.tenant_id.in_(bindparam("tenants", expanding=True))
)


def storage_limits(transaction: Transaction, tenant_ids: Collection[str]) -> dict[str, int]:
    """Limits in bytes, by tenant id; a tenant without a limit is left out."""
    return quotas(transaction, tenant_ids, "stored_bytes")


def quotas(transaction: Transaction, tenant_ids: Collection[str], name: str) -> dict[str, int]:
    """A quota by tenant id; a tenant without it is left out."""
    rows = sql_of(transaction).connection.execute(_QUOTAS, {"tenants": list(tenant_ids)})
    limits = {row.tenant_id: int(json.loads(row.quotas).get(name) or 0) for row in rows}
    return {tenant_id: limit for tenant_id, limit in limits.items() if limit}
