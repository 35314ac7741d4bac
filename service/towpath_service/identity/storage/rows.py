"""The base class of all stores of one tenant's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from towpath_service.database.sql.statements import insert_new

if TYPE_CHECKING:
    from sqlalchemy import Table

    from towpath_service.database.port import SqlTransaction


class TenantRows:
    """The rows of one tenant within a transaction."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._tenant_id = tenant_id

    def _select(self, table: Table) -> Any:
        return select(table).where(table.c.tenant_id == self._tenant_id)

    def _add(self, table: Table, **values: Any) -> bool:
        return insert_new(self._connection, table, tenant_id=self._tenant_id, **values)

    def _remove(self, table: Table, **key: str) -> bool:
        conditions = [table.c[name] == value for name, value in key.items()]
        removed = self._connection.execute(
            delete(table).where(table.c.tenant_id == self._tenant_id, *conditions)
        )
        return removed.rowcount > 0
