"""Attempts after crashes, within a transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select, update

from towpath_service.core.tenancy import check_tenants
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.ports.dispatching import CrashBudget
from towpath_service.work.storage.keys import of_runs, run_portions
from towpath_service.work.storage.tables import deployment_revision, run_origin, work_pool

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_service.database.port import SqlTransaction

_DEFAULT_LEASE_US: Final = 30_000_000

_origin: Final = run_origin.c
_revision: Final = deployment_revision.c
_pool: Final = work_pool.c
_BUDGETS: Final = (
    select(
        *(_origin.tenant_id, _origin.run_id, _origin.crash_retries),
        *(_revision.content, _pool.lease_us),
    )
    .join(
        deployment_revision,
        and_(
            _revision.tenant_id == _origin.tenant_id,
            _revision.workspace_id == _origin.workspace_id,
            _revision.flow_id == _origin.flow_id,
            _revision.deployment_id == _origin.deployment_id,
            _revision.revision == _origin.deployment_revision,
        ),
    )
    .outerjoin(
        work_pool,
        and_(
            _pool.tenant_id == _origin.tenant_id,
            _pool.workspace_id == _origin.workspace_id,
            _pool.pool_id == _origin.pool_id,
        ),
    )
    .where(of_runs(_origin))
)
_COUNT: Final = (
    update(run_origin).where(of_runs(_origin)).values(crash_retries=_origin.crash_retries + 1)
)


class SqlCrashRows:
    """Attempts after crashes."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection
        self._tenants = transaction.tenants

    def budgets(self, keys: Collection[RunKey]) -> dict[RunKey, CrashBudget]:
        """The budgets of runs, by the revision of their deployment; others are left out."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        found: dict[RunKey, CrashBudget] = {}
        for portion in run_portions(keys):
            for tenant_id, run_id, used, text, lease_us in self._connection.execute(
                _BUDGETS, portion
            ):
                content: dict[str, Any] = json.loads(text)
                found[RunKey(tenant_id, run_id)] = CrashBudget(
                    used=used,
                    most=int(content.get("max_crash_retries", 0)),
                    lease_us=_DEFAULT_LEASE_US if lease_us is None else lease_us,
                )
        return found

    def count(self, keys: Collection[RunKey]) -> None:
        """Counts an attempt that crashed and is followed by another, for each run."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        for portion in run_portions(keys):
            self._connection.execute(_COUNT, portion)
