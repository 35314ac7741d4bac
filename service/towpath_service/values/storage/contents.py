"""Reads whether a workspace has secrets, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from towpath_service.database.port import sql_of
from towpath_service.values.storage.tables import secret

if TYPE_CHECKING:
    from towpath_service.core.transactions import Transaction


def has_secrets(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any secret."""
    asked = (secret.c.tenant_id == tenant_id, secret.c.workspace_id == workspace_id)
    return bool(sql_of(transaction).connection.execute(select(exists().where(*asked))).scalar())
