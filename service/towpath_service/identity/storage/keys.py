"""API keys and logins, on SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from towpath_service.identity.domain.principals import (
    CredentialKind,
    Principal,
    StoredKey,
    UsedToken,
)
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.principals import to_principal
from towpath_service.identity.storage.rows import TenantRows

if TYPE_CHECKING:
    from sqlalchemy import Row


CREDENTIALS: Final[dict[CredentialKind, int]] = {"api_key": 1, "sign_in": 2, "trust": 3}
"""The number of each kind of credential in its row."""

_CREDENTIAL_OF: Final[dict[int, CredentialKind]] = {
    number: kind for kind, number in CREDENTIALS.items()
}


class SqlKeys(TenantRows):
    """The credentials of one tenant."""

    def find(self, key_id: str) -> tuple[StoredKey, Principal] | None:
        """A key and its owner; None when there is no such key."""
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
        return None if owner is None else (key, to_principal(owner))

    def of(self, principal_id: str) -> list[StoredKey]:
        """A principal's keys, newest first."""
        columns = tables.api_key.c
        rows = self._connection.execute(
            self._select(tables.api_key)
            .where(columns.principal_id == principal_id)
            .order_by(columns.created_us.desc(), columns.key_id)
        )
        return [_to_key(row) for row in rows]

    def add(self, key: StoredKey) -> bool:
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

    def change(self, key_id: str, **changes: int | str | None) -> None:
        """Sets columns of a key: expires_us, revoked_us, used_us, replaced_by."""
        columns = tables.api_key.c
        self._connection.execute(
            update(tables.api_key)
            .where(columns.tenant_id == self._tenant_id, columns.key_id == key_id)
            .values(**changes)
        )

    def rotate(self, key: StoredKey, *, was: str) -> bool:
        """Writes the refresh tokens of a login; False when they have changed meanwhile."""
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

    def end_of_trust(self, trust_id: str, revoked_us: int) -> None:
        """Revokes all credentials that a trust has made."""
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
