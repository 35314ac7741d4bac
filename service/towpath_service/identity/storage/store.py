"""The store of identity, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.database.sql import statements
from towpath_service.identity.ports.store import Standing
from towpath_service.identity.storage.audit import SqlAuditEntries
from towpath_service.identity.storage.devices import SqlWaitingDevices
from towpath_service.identity.storage.keys import SqlKeys
from towpath_service.identity.storage.principals import SqlPrincipals
from towpath_service.identity.storage.roles import SqlBindings, SqlRoles
from towpath_service.identity.storage.server_keys import SqlServerKeyRecords
from towpath_service.identity.storage.tenants import (
    SqlTenantDirectory,
    SqlTenantRecord,
    SqlWorkspaces,
)
from towpath_service.identity.storage.trusts import SqlTrusts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath_service.core.transactions import StoredBytes, Transaction, WorkspaceContents
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.identity.ports.store import Identity, Installation

Result = TypeVar("Result")


class SqlIdentity:
    """One transaction on one tenant."""

    def __init__(
        self,
        transaction: SqlTransaction,
        tenant_id: str,
        *,
        contents: Mapping[str, WorkspaceContents],
        stored_bytes: StoredBytes,
    ) -> None:
        self.tenant = SqlTenantRecord(transaction, tenant_id, stored_bytes)
        self.workspaces = SqlWorkspaces(transaction, tenant_id, contents)
        self.principals = SqlPrincipals(transaction, tenant_id)
        self.keys = SqlKeys(transaction, tenant_id)
        self.roles = SqlRoles(transaction, tenant_id)
        self.bindings = SqlBindings(transaction, tenant_id)
        self.trusts = SqlTrusts(transaction, tenant_id)
        self.audit = SqlAuditEntries(transaction, tenant_id)

    def standing(self, credential_id: str) -> Standing | None:
        """All data that determine the rights of a credential; None when it doesn't exist."""
        tenant, found = self.tenant.read(), self.keys.find(credential_id)
        if tenant is None or found is None:
            return None
        key, principal = found
        return Standing(
            tenant=tenant,
            principal=principal,
            key=key,
            bindings=self.bindings.of(principal.principal_id),
            roles=self.roles.all(),
            workspaces={it.workspace_id: it.display_name for it in self.workspaces.all()},
        )


class SqlInstallation:
    """One transaction on the installation."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self.transaction = transaction
        self.tenants = SqlTenantDirectory(transaction)
        self.devices = SqlWaitingDevices(transaction)
        self.server_keys = SqlServerKeyRecords(transaction)

    def now_us(self) -> int:
        """The database's clock, microseconds since the Unix epoch."""
        return statements.database_now_us(self.transaction.connection)


class SqlIdentityStore:
    """Keeps tenants, their members, keys and roles, and audit logs."""

    def __init__(
        self,
        database: Database,
        *,
        contents: Mapping[str, WorkspaceContents],
        stored_bytes: StoredBytes,
    ) -> None:
        """Takes the database.

        Args:
            database: The database; it must be open before the first call.
            contents: By name, such as "runs", the contents that keep a workspace from removal.
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
        """Runs work on one tenant in one transaction."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction, tenant_id)), tenants={tenant_id}
        )

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work on the installation in one transaction."""
        return await self._database.write(lambda transaction: work(SqlInstallation(transaction)))
