"""The store of identity, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.identity.storage.installation import SqlInstallation
from towpath_service.identity.storage.tenant import SqlIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath_service.core.transactions import StoredBytes, Transaction, WorkspaceContents
    from towpath_service.database.port import Database
    from towpath_service.identity.ports.store import Identity, Installation

Result = TypeVar("Result")


class SqlIdentityStore:
    """Keeps tenants, their members, keys and roles, and audit logs."""

    def __init__(
        self,
        database: Database,
        *,
        contents: Mapping[str, WorkspaceContents],
        stored_bytes: StoredBytes,
    ) -> None:
        """Keeps them in a database.

        Args:
            database: An open one, by the time that work is given.
            contents: By name, such as "runs", what keeps a workspace from being removed.
            stored_bytes: Reads how much a tenant stores.
        """
        self._database = database
        self._contents = contents
        self._stored_bytes = stored_bytes

    def on(self, transaction: Transaction, tenant_id: str) -> Identity:
        """The identity of one tenant within a transaction that another subject has opened."""
        return SqlIdentity(
            sql_of(transaction),
            tenant_id,
            contents=self._contents,
            stored_bytes=self._stored_bytes,
        )

    async def tenant(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Runs work about one tenant in one transaction."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction, tenant_id)), tenants={tenant_id}
        )

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work about the installation in one transaction."""
        return await self._database.write(lambda transaction: work(SqlInstallation(transaction)))
