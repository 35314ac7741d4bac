"""Trusts in other issuers, on SQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from towpath_service.identity.domain.principals import StoredTrust, UserTrust
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.rows import TenantRows

if TYPE_CHECKING:
    from sqlalchemy import Row


class SqlTrusts(TenantRows):
    """The issuers that one tenant trusts."""

    def find(self, trust_id: str) -> StoredTrust | None:
        """A trust by its id."""
        row = self._connection.execute(
            self._select(tables.trust).where(tables.trust.c.trust_id == trust_id)
        ).one_or_none()
        return None if row is None else _to_trust(row)

    def all(self) -> list[StoredTrust]:
        """All trusts, by id."""
        rows = self._connection.execute(
            self._select(tables.trust).order_by(tables.trust.c.trust_id)
        )
        return [_to_trust(row) for row in rows]

    def add(self, trust: StoredTrust) -> bool:
        """Keeps a trust; False when its id is taken."""
        return self._add(tables.trust, **_trust_values(trust))

    def remove(self, trust_id: str) -> bool:
        """Removes a trust; False when there is none."""
        return self._remove(tables.trust, trust_id=trust_id)


def _trust_values(trust: StoredTrust) -> dict[str, Any]:
    """The columns of a trust, less its tenant."""
    users = trust.users
    terms = {
        "audiences": trust.audiences,
        "rules": trust.rules,
        "algorithms": trust.algorithms,
        "jwks_uri": trust.jwks_uri,
        "jwks": trust.jwks,
        "service_account": trust.service_account,
        "users": None if users is None else asdict(users),
    }
    return {
        "trust_id": trust.trust_id,
        "issuer": trust.issuer,
        "terms": json.dumps(terms),
        "credential_id": trust.credential_id,
        "created_by": trust.created_by,
        "created_us": trust.created_us,
    }


def _to_trust(row: Row[Any]) -> StoredTrust:
    """A trust, from its row."""
    terms: dict[str, Any] = json.loads(row.terms)
    users: dict[str, Any] | None = terms["users"]
    return StoredTrust(
        trust_id=row.trust_id,
        issuer=row.issuer,
        audiences=tuple(terms["audiences"]),
        rules=tuple((path, value) for path, value in terms["rules"]),
        algorithms=tuple(terms["algorithms"]),
        jwks_uri=terms["jwks_uri"],
        jwks=terms["jwks"],
        service_account=terms["service_account"],
        users=None if users is None else _users(users),
        credential_id=row.credential_id,
        created_by=row.created_by,
        created_us=row.created_us,
    )


def _users(terms: dict[str, Any]) -> UserTrust:
    return UserTrust(
        claim=terms["claim"],
        default_role=terms["default_role"],
        client_id=terms["client_id"],
        scopes=tuple(terms["scopes"]),
    )
