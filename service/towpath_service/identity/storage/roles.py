"""Roles and their bindings, on SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, literal, select, tuple_

from towpath_service.identity.domain.principals import Binding, BindingPlace, Principal, StoredRole
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.principals import BOUND, KINDS, to_principal
from towpath_service.identity.storage.rows import TenantRows

if TYPE_CHECKING:
    from sqlalchemy import Row


_PLACE: Final = (
    tables.principal.c.kind,
    tables.principal.c.handle,
    tables.role_binding.c.role_id,
    tables.role_binding.c.workspace_id,
)


class SqlRoles(TenantRows):
    """The roles that one tenant has defined."""

    def all(self) -> list[StoredRole]:
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

    def add(self, role: StoredRole) -> bool:
        """Makes a role; False when it is there."""
        return self._add(
            tables.role,
            role_id=role.role_id,
            display_name=role.display_name,
            permissions=json.dumps(sorted(role.permissions)),
            created_us=role.created_us,
        )

    def remove(self, role_id: str) -> bool:
        """Removes a role; False when there is none."""
        return self._remove(tables.role, role_id=role_id)

    def is_held(self, role_id: str) -> bool:
        """Whether any principal has a role."""
        columns = tables.role_binding.c
        held = and_(columns.tenant_id == self._tenant_id, columns.role_id == role_id)
        return bool(self._connection.execute(select(exists().where(held))).scalar())


class SqlBindings(TenantRows):
    """The role bindings of one tenant."""

    def all(self) -> list[Binding]:
        """All role bindings of the tenant."""
        return self._bindings()

    def of(self, principal_id: str) -> list[Binding]:
        """The role bindings of a principal."""
        return self._bindings(tables.role_binding.c.principal_id == principal_id)

    def page(
        self, principal_id: str | None, *, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """A page of role bindings, ordered by principal, role and workspace."""
        query = self._select(tables.role_binding).join(tables.principal, BOUND)
        if principal_id is not None:
            query = query.where(tables.role_binding.c.principal_id == principal_id)
        if after is not None:
            values = zip((KINDS[after.kind], *after[1:]), _PLACE, strict=True)
            mark = tuple_(*(literal(value, column.type) for value, column in values))
            query = query.where(tuple_(*_PLACE) > mark)
        rows = self._connection.execute(query.order_by(*_PLACE).limit(limit))
        found = [_to_binding(row) for row in rows]
        ids = {binding.principal_id for binding in found}
        whose = self._select(tables.principal).where(tables.principal.c.principal_id.in_(ids))
        known = {row.principal_id: to_principal(row) for row in self._connection.execute(whose)}
        return [(binding, known[binding.principal_id]) for binding in found]

    def add(self, binding: Binding) -> None:
        """Adds a binding; adding it again changes nothing."""
        self._add(
            tables.role_binding,
            principal_id=binding.principal_id,
            role_id=binding.role_id,
            workspace_id=binding.workspace_id,
            created_by=binding.created_by,
            created_us=binding.created_us,
        )

    def remove(self, principal_id: str, role_id: str, workspace_id: str) -> bool:
        """Removes a binding; False when there is none."""
        return self._remove(
            tables.role_binding,
            principal_id=principal_id,
            role_id=role_id,
            workspace_id=workspace_id,
        )

    def _bindings(self, *conditions: Any) -> list[Binding]:
        columns = tables.role_binding.c
        rows = self._connection.execute(
            self._select(tables.role_binding)
            .where(*conditions)
            .order_by(columns.principal_id, columns.role_id, columns.workspace_id)
        )
        return [_to_binding(row) for row in rows]


def _to_binding(row: Row[Any]) -> Binding:
    return Binding(
        principal_id=row.principal_id,
        role_id=row.role_id,
        workspace_id=row.workspace_id,
        created_by=row.created_by,
        created_us=row.created_us,
    )
