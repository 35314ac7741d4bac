"""Tenants and their workspaces, on SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from towpath_service.database.sql import statements
from towpath_service.database.sql.statements import insert_new
from towpath_service.identity.domain.principals import Tenant, WorkspaceEntry
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.rows import TenantRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from towpath_service.core.transactions import StoredBytes, WorkspaceContents
    from towpath_service.database.port import SqlTransaction


class SqlTenantRecord(TenantRows):
    """The record of one tenant."""

    def __init__(
        self, transaction: SqlTransaction, tenant_id: str, stored_bytes: StoredBytes
    ) -> None:
        super().__init__(transaction, tenant_id)
        self._transaction = transaction
        self._stored_bytes = stored_bytes

    def read(self) -> Tenant | None:
        """The tenant; None when there is none."""
        row = self._connection.execute(self._select(tables.tenant)).one_or_none()
        return None if row is None else _to_tenant(row)

    def touch(self) -> None:
        """Records that callers' rights change, so that replicas read them anew.

        Serialises the changes of one tenant: a transaction that decides by the present state, such
        as the other owners, calls this first.
        """
        columns = tables.tenant.c
        self._connection.execute(
            update(tables.tenant)
            .where(columns.tenant_id == self._tenant_id)
            .values(access_changed_us=statements.database_now_us(self._connection))
        )

    def stored_bytes(self) -> int:
        """How much the tenant stores: bytes."""
        return self._stored_bytes(self._transaction, self._tenant_id)


class SqlWorkspaces(TenantRows):
    """The workspaces of one tenant."""

    def __init__(
        self,
        transaction: SqlTransaction,
        tenant_id: str,
        contents: Mapping[str, WorkspaceContents],
    ) -> None:
        super().__init__(transaction, tenant_id)
        self._transaction = transaction
        self._contents = contents

    def all(self) -> list[WorkspaceEntry]:
        """The workspaces, by id."""
        columns = tables.workspace_entry.c
        rows = self._connection.execute(
            self._select(tables.workspace_entry).order_by(columns.workspace_id)
        )
        return [
            WorkspaceEntry(
                workspace_id=row.workspace_id,
                display_name=row.display_name,
                created_us=row.created_us,
            )
            for row in rows
        ]

    def add(self, entry: WorkspaceEntry) -> bool:
        """Makes a workspace; False when it is there."""
        return self._add(
            tables.workspace_entry,
            workspace_id=entry.workspace_id,
            display_name=entry.display_name,
            created_us=entry.created_us,
        )

    def contents(self, workspace_id: str) -> str | None:
        """The first kind of content of a workspace; None if it is empty."""
        return next(
            (
                kind
                for kind, holds_any in self._contents.items()
                if holds_any(self._transaction, self._tenant_id, workspace_id)
            ),
            None,
        )

    def remove(self, workspace_id: str) -> bool:
        """Removes a workspace with its role bindings; False when there is none."""
        self._remove(tables.role_binding, workspace_id=workspace_id)
        return self._remove(tables.workspace_entry, workspace_id=workspace_id)


class SqlTenantDirectory:
    """All tenants of the installation."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection

    def page(self, *, after: str, limit: int) -> list[Tenant]:
        """A page of tenants by slug: the first ones above `after`."""
        columns = tables.tenant.c
        rows = self._connection.execute(
            select(tables.tenant).where(columns.slug > after).order_by(columns.slug).limit(limit)
        )
        return [_to_tenant(row) for row in rows]

    def find(self, slug: str, *, lock: bool = False) -> Tenant | None:
        """A tenant by its slug; `lock` keeps other transactions from changing it."""
        query = select(tables.tenant).where(tables.tenant.c.slug == slug)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        return None if row is None else _to_tenant(row)

    def add(self, tenant: Tenant) -> bool:
        """Makes a tenant; False when its slug is taken."""
        return insert_new(
            self._connection,
            tables.tenant,
            tenant_id=tenant.tenant_id,
            slug=tenant.slug,
            display_name=tenant.display_name,
            suspended=tenant.suspended,
            quotas=json.dumps(dict(tenant.quotas)),
            created_us=tenant.created_us,
            access_changed_us=tenant.created_us,
        )

    def change(self, tenant: Tenant) -> None:
        """Writes a tenant's suspension and limits."""
        self._connection.execute(
            update(tables.tenant)
            .where(tables.tenant.c.tenant_id == tenant.tenant_id)
            .values(
                suspended=tenant.suspended,
                quotas=json.dumps(dict(tenant.quotas)),
                access_changed_us=statements.database_now_us(self._connection),
            )
        )

    def of_credential(self, credential_id: str) -> str | None:
        """The tenant that a credential belongs to."""
        table = tables.credential_tenant
        found: str | None = self._connection.execute(
            select(table.c.tenant_id).where(table.c.credential_id == credential_id)
        ).scalar()
        return found

    def changed_since(self, since_us: int) -> list[str]:
        """Ids of tenants whose callers' rights changed since a time of the database's clock."""
        columns = tables.tenant.c
        return list(
            self._connection.execute(
                select(columns.tenant_id).where(columns.access_changed_us >= since_us)
            ).scalars()
        )


def _to_tenant(row: Row[Any]) -> Tenant:
    """A tenant, from its row."""
    return Tenant(
        tenant_id=row.tenant_id,
        slug=row.slug,
        display_name=row.display_name,
        created_us=row.created_us,
        suspended=bool(row.suspended),
        quotas=json.loads(row.quotas),
    )
