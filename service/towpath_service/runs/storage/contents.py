"""Reads whether a workspace has runs, and their size, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from towpath_service.core.names import Scope
from towpath_service.database.port import sql_of
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.stored_bytes import stored_of
from towpath_service.runs.storage.tables import run

if TYPE_CHECKING:
    from towpath_service.core.transactions import Transaction


def has_runs(transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
    """Whether a workspace has any run."""
    asked = in_scope(run.c, Scope(tenant_id, workspace_id))
    return bool(sql_of(transaction).connection.execute(select(exists().where(asked))).scalar())


def stored_bytes(transaction: Transaction, tenant_id: str) -> int:
    """The bytes of runs, states, logs and refusals that a tenant stores."""
    return stored_of(sql_of(transaction).connection, tenant_id)
