"""Reads whether a workspace has limits, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from towpath_service.database.port import sql_of
from towpath_service.limits.storage.tables import concurrency_limit

if TYPE_CHECKING:
    from towpath_service.core.transactions import Transaction


def has_limits(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any limit."""
    asked = (
        concurrency_limit.c.tenant_id == tenant_id,
        concurrency_limit.c.workspace_id == workspace_id,
    )
    return bool(sql_of(transaction).connection.execute(select(exists().where(*asked))).scalar())
