"""Users and service accounts, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, select

from towpath_service.identity.domain.principals import Principal, PrincipalKind
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.rows import TenantRows

if TYPE_CHECKING:
    from sqlalchemy import Row


KINDS: Final[dict[PrincipalKind, int]] = {"user": 1, "service_account": 2}
"""The number of each kind in a row, as in the contract's ActorKind."""

_KIND_OF: Final[dict[int, PrincipalKind]] = {number: kind for kind, number in KINDS.items()}
BOUND: Final = and_(
    tables.role_binding.c.tenant_id == tables.principal.c.tenant_id,
    tables.role_binding.c.principal_id == tables.principal.c.principal_id,
)
"""Joins principals with their roles."""


class SqlPrincipals(TenantRows):
    """The users and service accounts of one tenant."""

    def find(self, kind: PrincipalKind, handle: str) -> Principal | None:
        """A principal by its handle."""
        columns = tables.principal.c
        row = self._connection.execute(
            self._select(tables.principal).where(
                columns.kind == KINDS[kind], columns.handle == handle
            )
        ).one_or_none()
        return None if row is None else to_principal(row)

    def page(self, kind: PrincipalKind | None, *, after: str = "", limit: int) -> list[Principal]:
        """A page of principals by handle: the first ones above `after`."""
        columns = tables.principal.c
        query = self._select(tables.principal).where(columns.handle > after)
        if kind is not None:
            query = query.where(columns.kind == KINDS[kind])
        rows = self._connection.execute(query.order_by(columns.handle).limit(limit))
        return [to_principal(row) for row in rows]

    def users_with(self, role_id: str, *, limit: int) -> list[Principal]:
        """The first users, by handle, with a role in the whole tenant."""
        principal, bound = tables.principal.c, tables.role_binding.c
        rows = self._connection.execute(
            self._select(tables.principal)
            .join(tables.role_binding, BOUND)
            .where(bound.role_id == role_id, bound.workspace_id == "")
            .where(principal.kind == KINDS["user"])
            .order_by(principal.handle)
            .limit(limit)
        )
        return [to_principal(row) for row in rows]

    def add(self, principal: Principal) -> bool:
        """Makes a principal; False when its handle is taken."""
        return self._add(
            tables.principal,
            principal_id=principal.principal_id,
            kind=KINDS[principal.kind],
            handle=principal.handle,
            display_name=principal.display_name,
            epoch=principal.epoch,
            created_us=principal.created_us,
        )

    def remove(self, principal_id: str) -> None:
        """Removes a principal with its keys and roles."""
        key = tables.api_key.c
        mine = (key.tenant_id == self._tenant_id, key.principal_id == principal_id)
        keys = list(self._connection.execute(select(key.key_id).where(*mine)).scalars())
        owners = tables.credential_tenant
        self._connection.execute(delete(owners).where(owners.c.credential_id.in_(keys)))
        for table in (tables.api_key, tables.role_binding, tables.principal):
            self._remove(table, principal_id=principal_id)


def to_principal(row: Row[Any]) -> Principal:
    """A principal, from its row."""
    return Principal(
        principal_id=row.principal_id,
        kind=_KIND_OF[row.kind],
        handle=row.handle,
        display_name=row.display_name,
        epoch=row.epoch,
        created_us=row.created_us,
    )
