"""Row-level security in PostgreSQL: the second isolation of tenants, after the stores' own.

Every transaction declares the tenants whose rows it may touch, in a setting that ends with it.
Policies on every table with a tenant compare rows with that setting. A transaction without the
setting sees no rows. The policies apply to the owner of the tables, too; they don't apply to a
superuser, or to a role with BYPASSRLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.tables import OF_INSTALLATION, UNIQUE_ACROSS_TENANTS, marked

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

SETTING: Final = "towpath.tenants"
SAY: Final = f"SELECT set_config('{SETTING}', $1, true)"
SAY_EVERY: Final = f"SELECT set_config('{SETTING}', '*', true)"

_TABLES: Final = text(
    "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,"
    " EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'"
    " AND a.attnotnull AND NOT a.attisdropped),"
    " EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_wall'),"
    " (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)"
    " FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
    " AND c.relkind IN ('r', 'p') ORDER BY 1"
)
_KEYS: Final = text(
    "SELECT c.relname, i.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid"
    " JOIN pg_class i ON i.oid = x.indexrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND x.indisunique AND NOT EXISTS"
    " (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey)"
    " AND a.attname = 'tenant_id') ORDER BY 1, 2"
)
_VIEWS: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('v', 'm') ORDER BY 1"
)
_ROLE: Final = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")


def said(tenants: Collection[str]) -> str:
    """The value of the setting for some tenants."""
    return "*" if tenants is EVERY_TENANT else ",".join(sorted(tenants))


def without_tenant() -> frozenset[str]:
    """Names of the tables that belong to the installation, and to no tenant."""
    return marked(OF_INSTALLATION) | {"alembic_version"}


def holes(connection: Connection) -> list[str]:
    """Descriptions of missing policies and constraints; empty if none is missing."""
    of_installation = without_tenant()
    found: list[str] = []
    for table, enabled, forced, has_tenant, walled, policies in connection.execute(_TABLES):
        if table in of_installation:
            continue
        if not has_tenant:
            found.append(f"{table} has no tenant_id that must be there")
        if not (enabled and forced):
            found.append(f"{table} has no row-level security that holds for its owner")
        if not walled or policies != 1:
            found.append(f"{table} has another policy than tenant_wall")
    found += [
        f"{index} of {table} is unique across tenants"
        for table, index in connection.execute(_KEYS)
        if table not in of_installation | marked(UNIQUE_ACROSS_TENANTS)
    ]
    views = connection.execute(_VIEWS).scalars()
    found += [f"{view} is a view, which may bypass row-level security" for view in views]
    return found


def passes_by(connection: Connection) -> bool:
    """Whether the role of a connection bypasses policies."""
    return bool(connection.execute(_ROLE).scalar())
