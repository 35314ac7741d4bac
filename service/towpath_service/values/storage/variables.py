"""Variables of one tenant, on SQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, func, select, update

from towpath_service.database.port import sql_of
from towpath_service.database.sql.statements import insert_new
from towpath_service.values.domain.variables import StoredVariable
from towpath_service.values.storage.tables import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
    from towpath_service.values.ports.variables import Variables

Result = TypeVar("Result")


class SqlVariables:
    """One transaction on the variables of one tenant."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._connection = sql_of(transaction).connection
        self._tenant_id = tenant_id

    def find(
        self, workspace_id: str, variable_id: str, *, lock: bool = False
    ) -> StoredVariable | None:
        """A variable; None when there is none; see `Variables`."""
        asked = select(variable).where(*self._named(workspace_id, variable_id))
        row = self._connection.execute(asked.with_for_update() if lock else asked).one_or_none()
        return None if row is None else _to_variable(row)

    def page(self, workspace_id: str, after: str, most: int) -> Sequence[StoredVariable]:
        """Variables of a workspace by id, from the one after an id on."""
        rows = self._connection.execute(
            select(variable)
            .where(*self._in(workspace_id), variable.c.variable_id > after)
            .order_by(variable.c.variable_id)
            .limit(most)
        )
        return list(map(_to_variable, rows))

    def count(self, workspace_id: str) -> int:
        """The number of variables in a workspace."""
        counted = select(func.count()).select_from(variable).where(*self._in(workspace_id))
        return int(self._connection.execute(counted).scalar_one())

    def add(self, made: StoredVariable) -> bool:
        """Makes a variable; False when its id is taken."""
        return insert_new(self._connection, variable, tenant_id=self._tenant_id, **_columns(made))

    def change(self, now: StoredVariable) -> None:
        """Replaces value and tags of a variable, which the transaction has locked."""
        named = self._named(now.workspace_id, now.variable_id)
        self._connection.execute(update(variable).where(*named).values(**_columns(now)))

    def remove(self, was: StoredVariable) -> None:
        """Removes a variable, which the transaction has locked."""
        named = self._named(was.workspace_id, was.variable_id)
        self._connection.execute(delete(variable).where(*named))

    def _in(self, workspace_id: str) -> tuple[Any, ...]:
        return variable.c.tenant_id == self._tenant_id, variable.c.workspace_id == workspace_id

    def _named(self, workspace_id: str, variable_id: str) -> tuple[Any, ...]:
        return *self._in(workspace_id), variable.c.variable_id == variable_id


class SqlVariableStore:
    """Keeps variables."""

    def __init__(self, database: Database) -> None:
        """Takes the database, which must be open before the first call."""
        self._database = database

    async def write(self, tenant_id: str, work: Callable[[Variables], Result]) -> Result:
        """Runs work on one tenant's variables in one transaction."""
        return await self._database.write(
            lambda transaction: work(SqlVariables(transaction, tenant_id)), tenants={tenant_id}
        )

    async def read(self, tenant_id: str, work: Callable[[Variables], Result]) -> Result:
        """Runs reads of one tenant's variables that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(SqlVariables(transaction, tenant_id)), tenants={tenant_id}
        )


def _columns(kept: StoredVariable) -> dict[str, Any]:
    return {**asdict(kept), "tags": json.dumps(kept.tags)}


def _to_variable(row: Any) -> StoredVariable:
    names = [column.name for column in variable.c if column.name != "tenant_id"]
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    values["tags"] = tuple(json.loads(row.tags))
    return StoredVariable(**values)
