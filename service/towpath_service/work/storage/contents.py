"""Reads whether a workspace has pools or deployments, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, or_, select

from towpath_service.database.port import sql_of
from towpath_service.work.storage.tables import deployment, work_pool

if TYPE_CHECKING:
    from towpath_service.core.transactions import Transaction


def has_work(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any pool or deployment."""
    found = [
        exists().where(table.c.tenant_id == tenant_id, table.c.workspace_id == workspace_id)
        for table in (work_pool, deployment)
    ]
    return bool(sql_of(transaction).connection.execute(select(or_(*found))).scalar())
