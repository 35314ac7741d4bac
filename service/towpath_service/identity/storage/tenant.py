"""Who is who in one tenant, on SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, insert, literal, select, tuple_, update
from towpath_auth.audit import AuditHead

from towpath_service.database.sql import statements
from towpath_service.database.sql.statements import insert_new
from towpath_service.identity.domain.principals import (
    Binding,
    CredentialKind,
    Principal,
    PrincipalKind,
    StoredKey,
    StoredRole,
    StoredTrust,
    Tenant,
    UsedToken,
    WorkspaceEntry,
)
from towpath_service.identity.ports.store import Standing
from towpath_service.identity.storage import audit, tables
from towpath_service.identity.storage.trust_rows import to_trust, trust_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Row, Table
    from towpath_auth.audit import AuditRecord

    from towpath_service.core.transactions import StoredBytes, WorkspaceContents
    from towpath_service.database.port import SqlTransaction
    from towpath_service.identity.domain.principals import BindingPlace
    from towpath_service.identity.ports.store import AuditLog


_KINDS: Final[dict[PrincipalKind, int]] = {"user": 1, "service_account": 2}
_KIND_OF: Final[dict[int, PrincipalKind]] = {1: "user", 2: "service_account"}
CREDENTIALS: Final[dict[CredentialKind, int]] = {"api_key": 1, "sign_in": 2, "trust": 3}
_CREDENTIAL_OF: Final[dict[int, CredentialKind]] = {
    number: kind for kind, number in CREDENTIALS.items()
}
_BOUND: Final = and_(
    tables.role_binding.c.tenant_id == tables.principal.c.tenant_id,
    tables.role_binding.c.principal_id == tables.principal.c.principal_id,
)
_PLACE: Final = (
    tables.principal.c.kind,
    tables.principal.c.handle,
    tables.role_binding.c.role_id,
    tables.role_binding.c.workspace_id,
)


class SqlIdentity:
    """One transaction about one tenant."""

    def __init__(
        self,
        transaction: SqlTransaction,
        tenant_id: str,
        *,
        contents: Mapping[str, WorkspaceContents],
        stored_bytes: StoredBytes,
    ) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenant_id = tenant_id
        self._contents = contents
        self._stored_bytes = stored_bytes

    def tenant(self) -> Tenant | None:
        """The tenant."""
        row = self._connection.execute(self._select(tables.tenant)).one_or_none()
        return None if row is None else to_tenant(row)

    def standing(self, credential_id: str) -> Standing | None:
        """All that the rights of whoever holds a key follow from."""
        tenant, found = self.tenant(), self.key(credential_id)
        if tenant is None or found is None:
            return None
        key, principal = found
        return Standing(
            tenant=tenant,
            principal=principal,
            key=key,
            bindings=self.bindings_of(principal.principal_id),
            roles=self.roles(),
            workspaces={entry.workspace_id: entry.display_name for entry in self.workspaces()},
        )

    def workspaces(self) -> list[WorkspaceEntry]:
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

    def add_workspace(self, entry: WorkspaceEntry) -> bool:
        """Makes a workspace; False when it is there."""
        return self._add(
            tables.workspace_entry,
            workspace_id=entry.workspace_id,
            display_name=entry.display_name,
            created_us=entry.created_us,
        )

    def contents(self, workspace_id: str) -> str | None:
        """The first kind of thing that a workspace holds; None for an empty one."""
        return next(
            (
                kind
                for kind, holds_any in self._contents.items()
                if holds_any(self._transaction, self._tenant_id, workspace_id)
            ),
            None,
        )

    def remove_workspace(self, workspace_id: str) -> bool:
        """Removes a workspace with the roles in it; False when there is none."""
        self._remove(tables.role_binding, workspace_id=workspace_id)
        return self._remove(tables.workspace_entry, workspace_id=workspace_id)

    def principal(self, kind: PrincipalKind, handle: str) -> Principal | None:
        """A principal by its handle."""
        columns = tables.principal.c
        row = self._connection.execute(
            self._select(tables.principal).where(
                columns.kind == _KINDS[kind], columns.handle == handle
            )
        ).one_or_none()
        return None if row is None else _to_principal(row)

    def principals(
        self, kind: PrincipalKind | None, *, after: str = "", limit: int
    ) -> list[Principal]:
        """Some principals: the first ones above a handle, by handle."""
        columns = tables.principal.c
        query = self._select(tables.principal).where(columns.handle > after)
        if kind is not None:
            query = query.where(columns.kind == _KINDS[kind])
        rows = self._connection.execute(query.order_by(columns.handle).limit(limit))
        return [_to_principal(row) for row in rows]

    def users_with(self, role_id: str, *, limit: int) -> list[Principal]:
        """Some of the users who have a role in the whole tenant, by handle."""
        principal, bound = tables.principal.c, tables.role_binding.c
        rows = self._connection.execute(
            self._select(tables.principal)
            .join(tables.role_binding, _BOUND)
            .where(bound.role_id == role_id, bound.workspace_id == "")
            .where(principal.kind == _KINDS["user"])
            .order_by(principal.handle)
            .limit(limit)
        )
        return [_to_principal(row) for row in rows]

    def add_principal(self, principal: Principal) -> bool:
        """Makes a principal; False when its handle is taken."""
        return self._add(
            tables.principal,
            principal_id=principal.principal_id,
            kind=_KINDS[principal.kind],
            handle=principal.handle,
            display_name=principal.display_name,
            epoch=principal.epoch,
            created_us=principal.created_us,
        )

    def remove_principal(self, principal_id: str) -> None:
        """Removes a principal with its keys and roles."""
        keys = [key.key_id for key in self.keys(principal_id)]
        owners = tables.credential_tenant
        self._connection.execute(delete(owners).where(owners.c.credential_id.in_(keys)))
        for table in (tables.api_key, tables.role_binding, tables.principal):
            self._remove(table, principal_id=principal_id)

    def key(self, key_id: str) -> tuple[StoredKey, Principal] | None:
        """A key and whose it is."""
        columns = tables.api_key.c
        row = self._connection.execute(
            self._select(tables.api_key).where(columns.key_id == key_id)
        ).one_or_none()
        if row is None:
            return None
        key = _to_key(row)
        owner = self._connection.execute(
            self._select(tables.principal).where(
                tables.principal.c.principal_id == key.principal_id
            )
        ).one_or_none()
        return None if owner is None else (key, _to_principal(owner))

    def keys(self, principal_id: str) -> list[StoredKey]:
        """A principal's keys, newest first."""
        columns = tables.api_key.c
        rows = self._connection.execute(
            self._select(tables.api_key)
            .where(columns.principal_id == principal_id)
            .order_by(columns.created_us.desc(), columns.key_id)
        )
        return [_to_key(row) for row in rows]

    def add_key(self, key: StoredKey) -> bool:
        """Keeps a key; False when its public id is taken."""
        if not self._add(tables.credential_tenant, credential_id=key.key_id):
            return False
        self._connection.execute(
            insert(tables.api_key).values(
                tenant_id=self._tenant_id,
                key_id=key.key_id,
                principal_id=key.principal_id,
                display_name=key.display_name,
                digest=key.digest,
                pepper_version=key.pepper_version,
                scopes=_to_list(key.scopes),
                workspaces=_to_list(key.workspaces),
                created_by=key.created_by,
                created_us=key.created_us,
                expires_us=key.expires_us,
                kind=CREDENTIALS[key.kind],
                trust_id=key.trust_id,
            )
        )
        return True

    def change_key(self, key_id: str, **changes: int | str | None) -> None:
        """Sets columns of a key: expires_us, revoked_us, used_us, replaced_by."""
        columns = tables.api_key.c
        self._connection.execute(
            update(tables.api_key)
            .where(columns.tenant_id == self._tenant_id, columns.key_id == key_id)
            .values(**changes)
        )

    def rotate_key(self, key: StoredKey, *, was: str) -> bool:
        """Writes which refresh tokens of a login hold; False when they have changed meanwhile."""
        columns = tables.api_key.c
        changed = self._connection.execute(
            update(tables.api_key)
            .where(columns.tenant_id == self._tenant_id, columns.key_id == key.key_id)
            .where(columns.digest == was)
            .values(
                digest=key.digest,
                pepper_version=key.pepper_version,
                used_tokens=json.dumps(key.used_tokens),
                used_us=key.used_us,
            )
        )
        return changed.rowcount > 0

    def end_keys_of_trust(self, trust_id: str, revoked_us: int) -> None:
        """Revokes all that came of a trust."""
        columns = tables.api_key.c
        self._connection.execute(
            update(tables.api_key)
            .where(columns.tenant_id == self._tenant_id, columns.trust_id == trust_id)
            .where(columns.revoked_us.is_(None))
            .values(revoked_us=revoked_us)
        )

    def forget_sign_ins(self, principal_id: str, ended_before_us: int) -> None:
        """Removes a principal's logins that ended before a time."""
        table, owners = tables.api_key, tables.credential_tenant
        ended = self._connection.execute(
            select(table.c.key_id).where(
                table.c.tenant_id == self._tenant_id,
                table.c.principal_id == principal_id,
                table.c.kind == CREDENTIALS["sign_in"],
                table.c.expires_us < ended_before_us,
            )
        )
        keys = list(ended.scalars())
        for column in (owners.c.credential_id, table.c.key_id):
            self._connection.execute(
                delete(column.table).where(
                    column.table.c.tenant_id == self._tenant_id, column.in_(keys)
                )
            )

    def trust(self, trust_id: str) -> StoredTrust | None:
        """A trust by its id."""
        row = self._connection.execute(
            self._select(tables.trust).where(tables.trust.c.trust_id == trust_id)
        ).one_or_none()
        return None if row is None else to_trust(row)

    def trusts(self) -> list[StoredTrust]:
        """All trusts, by id."""
        rows = self._connection.execute(
            self._select(tables.trust).order_by(tables.trust.c.trust_id)
        )
        return [to_trust(row) for row in rows]

    def add_trust(self, trust: StoredTrust) -> bool:
        """Keeps a trust; False when its id is taken."""
        return self._add(tables.trust, **trust_values(trust))

    def remove_trust(self, trust_id: str) -> bool:
        """Removes a trust; False when there is none."""
        return self._remove(tables.trust, trust_id=trust_id)

    def roles(self) -> list[StoredRole]:
        """The tenant's own roles, by id."""
        rows = self._connection.execute(self._select(tables.role).order_by(tables.role.c.role_id))
        return [
            StoredRole(
                role_id=row.role_id,
                display_name=row.display_name,
                permissions=frozenset(json.loads(row.permissions)),
                created_us=row.created_us,
            )
            for row in rows
        ]

    def add_role(self, role: StoredRole) -> bool:
        """Makes a role; False when it is there."""
        return self._add(
            tables.role,
            role_id=role.role_id,
            display_name=role.display_name,
            permissions=json.dumps(sorted(role.permissions)),
            created_us=role.created_us,
        )

    def remove_role(self, role_id: str) -> bool:
        """Removes a role; False when there is none."""
        return self._remove(tables.role, role_id=role_id)

    def bindings(self) -> list[Binding]:
        """Who has which role: all of it."""
        return self._bindings()

    def bindings_of(self, principal_id: str) -> list[Binding]:
        """The roles of a principal."""
        return self._bindings(tables.role_binding.c.principal_id == principal_id)

    def bindings_page(
        self, principal_id: str | None, *, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """Some of who has which role: by principal, role and workspace."""
        query = self._select(tables.role_binding).join(tables.principal, _BOUND)
        if principal_id is not None:
            query = query.where(tables.role_binding.c.principal_id == principal_id)
        if after is not None:
            values = zip((_KINDS[after.kind], *after[1:]), _PLACE, strict=True)
            mark = tuple_(*(literal(value, column.type) for value, column in values))
            query = query.where(tuple_(*_PLACE) > mark)
        rows = self._connection.execute(query.order_by(*_PLACE).limit(limit))
        found = [_to_binding(row) for row in rows]
        ids = {binding.principal_id for binding in found}
        whose = self._select(tables.principal).where(tables.principal.c.principal_id.in_(ids))
        known = {row.principal_id: _to_principal(row) for row in self._connection.execute(whose)}
        return [(binding, known[binding.principal_id]) for binding in found]

    def is_held(self, role_id: str) -> bool:
        """Whether anybody has a role."""
        columns = tables.role_binding.c
        held = and_(columns.tenant_id == self._tenant_id, columns.role_id == role_id)
        return bool(self._connection.execute(select(exists().where(held))).scalar())

    def add_binding(self, binding: Binding) -> None:
        """Gives a role; giving it again changes nothing."""
        self._add(
            tables.role_binding,
            principal_id=binding.principal_id,
            role_id=binding.role_id,
            workspace_id=binding.workspace_id,
            created_by=binding.created_by,
            created_us=binding.created_us,
        )

    def remove_binding(self, principal_id: str, role_id: str, workspace_id: str) -> bool:
        """Takes a role away; False when it wasn't there."""
        return self._remove(
            tables.role_binding,
            principal_id=principal_id,
            role_id=role_id,
            workspace_id=workspace_id,
        )

    def stored_bytes(self) -> int:
        """What the tenant stores."""
        return self._stored_bytes(self._transaction, self._tenant_id)

    def begin_audit(self, seal: Callable[[AuditHead], str]) -> None:
        """Gives an audit log without entries its end; changes nothing where it has either."""
        if not audit.has_entries(self._connection, self._tenant_id):
            self._add(tables.audit_head, **audit.sealed(AuditHead(), seal))

    def append_audit(self, record: AuditRecord, seal: Callable[[AuditHead], str]) -> None:
        """Writes an entry at the end of the tenant's audit log."""
        assert record.tenant_id == self._tenant_id
        audit.append(self._connection, record, seal, statements.database_now_us(self._connection))

    def audit(self, *, before: int, limit: int) -> AuditLog:
        """Entries of the audit log below a sequence, and its end, as they were in one moment."""
        return audit.read(self._connection, self._tenant_id, before=before, limit=limit)

    def touch(self) -> None:
        """Notes that callers' rights have changed: replicas look anew.

        Changes of one tenant come one after the other: whoever decides by what is there, such as
        who else is an owner, begins with this.
        """
        columns = tables.tenant.c
        self._connection.execute(
            update(tables.tenant)
            .where(columns.tenant_id == self._tenant_id)
            .values(access_changed_us=statements.database_now_us(self._connection))
        )

    def _bindings(self, *conditions: Any) -> list[Binding]:
        columns = tables.role_binding.c
        rows = self._connection.execute(
            self._select(tables.role_binding)
            .where(*conditions)
            .order_by(columns.principal_id, columns.role_id, columns.workspace_id)
        )
        return [_to_binding(row) for row in rows]

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


def to_tenant(row: Row[Any]) -> Tenant:
    """A tenant, from its row."""
    return Tenant(
        tenant_id=row.tenant_id,
        slug=row.slug,
        display_name=row.display_name,
        created_us=row.created_us,
        suspended=bool(row.suspended),
        quotas=json.loads(row.quotas),
    )


def _to_principal(row: Row[Any]) -> Principal:
    return Principal(
        principal_id=row.principal_id,
        kind=_KIND_OF[row.kind],
        handle=row.handle,
        display_name=row.display_name,
        epoch=row.epoch,
        created_us=row.created_us,
    )


def _to_binding(row: Row[Any]) -> Binding:
    return Binding(
        principal_id=row.principal_id,
        role_id=row.role_id,
        workspace_id=row.workspace_id,
        created_by=row.created_by,
        created_us=row.created_us,
    )


def _to_key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        key_id=row.key_id,
        principal_id=row.principal_id,
        display_name=row.display_name,
        digest=row.digest,
        pepper_version=row.pepper_version,
        scopes=_from_list(row.scopes),
        workspaces=_from_list(row.workspaces),
        created_by=row.created_by,
        created_us=row.created_us,
        expires_us=row.expires_us,
        used_us=row.used_us,
        revoked_us=row.revoked_us,
        replaced_by=row.replaced_by,
        kind=_CREDENTIAL_OF[row.kind],
        trust_id=row.trust_id,
        used_tokens=tuple(UsedToken(*each) for each in json.loads(row.used_tokens or "[]")),
    )


def _to_list(values: frozenset[str] | None) -> str | None:
    return None if values is None else json.dumps(sorted(values))


def _from_list(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))
