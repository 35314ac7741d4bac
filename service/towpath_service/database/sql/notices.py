"""Notices to all replicas that a workspace has changed, sent by the commit; PostgreSQL only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.names import Scope

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

CHANNEL: Final = "towpath_changes"
NOTIFY: Final = "SELECT pg_notify($1, scope) FROM unnest($2::text[]) AS scope"


def announce(connection: Connection, scopes: Collection[Scope]) -> None:
    """Sends notices of workspaces on PostgreSQL; does nothing on SQLite."""
    if scopes and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(NOTIFY, notice_of(scopes))


def notice_of(scopes: Collection[Scope]) -> tuple[Any, ...]:
    """The parameters of `NOTIFY`."""
    return CHANNEL, ["/".join(scope) for scope in scopes]


def heard_of(payload: str) -> Scope:
    """The workspace that a notice is about."""
    tenant_id, _, workspace_id = payload.partition("/")
    return Scope(tenant_id, workspace_id)
