"""Reads whether a workspace has values, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from towpath_service.database.port import sql_of
from towpath_service.values.storage.tables import secret, variable

if TYPE_CHECKING:
    from sqlalchemy import Table

    from towpath_service.core.transactions import Transaction


def has_secrets(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any secret."""
    return _has(secret, transaction, tenant_id, workspace_id)


def has_variables(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any variable."""
    return _has(variable, transaction, tenant_id, workspace_id)


def _has(table: Table, transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    asked = (table.c.tenant_id == tenant_id, table.c.workspace_id == workspace_id)
    return bool(sql_of(transaction).connection.execute(select(exists().where(*asked))).scalar())
