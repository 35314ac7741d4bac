"""The base class of the reads of one tenant's runs, history, logs and flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import MappingResult, Select

    from towpath_service.database.port import SqlTransaction


class TenantReads:
    """Reads of one tenant over a connection in a transaction."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._changed = transaction.changed
        self.tenant_id = tenant_id

    def _rows(self, statement: Select[Any]) -> MappingResult:
        return self._connection.execute(statement).mappings()
