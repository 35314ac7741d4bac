"""The store of secrets, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.values.storage.secrets import SqlAllDataKeys, SqlSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.transactions import RunSecrets, Transaction
    from towpath_service.database.port import Database
    from towpath_service.values.ports.secrets import AllDataKeys, Secrets

Result = TypeVar("Result")


class SqlSecretStore:
    """Keeps secrets, and the data keys that seal them."""

    def __init__(self, database: Database, run_secrets: RunSecrets | None = None) -> None:
        """Takes the database.

        Args:
            database: The database; it must be open before the first call.
            run_secrets: Reads which secrets a run may use; None if runs may use all.
        """
        self._database = database
        self._run_secrets = run_secrets

    def on(self, transaction: Transaction, tenant_id: str) -> Secrets:
        """The secrets of one tenant within a transaction that another subject has opened."""
        return SqlSecrets(sql_of(transaction), tenant_id, self._run_secrets)

    def data_keys_on(self, transaction: Transaction) -> AllDataKeys:
        """All data keys within a transaction that another subject has opened."""
        return SqlAllDataKeys(sql_of(transaction))

    async def secrets(self, tenant_id: str, work: Callable[[Secrets], Result]) -> Result:
        """Runs work on one tenant's secrets in one transaction."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction, tenant_id)), tenants={tenant_id}
        )

    async def data_keys(self, work: Callable[[AllDataKeys], Result]) -> Result:
        """Runs work on the data keys of all tenants in one transaction."""
        return await self._database.write(lambda transaction: work(self.data_keys_on(transaction)))
