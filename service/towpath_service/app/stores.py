"""The stores of all subjects on one database, put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.identity.storage.limits import storage_limits
from towpath_service.identity.storage.store import SqlIdentityStore
from towpath_service.limits.storage.contents import has_limits
from towpath_service.limits.storage.store import SqlLimitStore
from towpath_service.runs.storage.contents import has_runs, stored_bytes
from towpath_service.runs.storage.store import SqlRunStore
from towpath_service.values.storage.contents import has_secrets, has_variables
from towpath_service.values.storage.store import SqlSecretStore
from towpath_service.values.storage.variables import SqlVariableStore
from towpath_service.work.storage.contents import has_work
from towpath_service.work.storage.dispatching import SqlDispatchStore, is_leased
from towpath_service.work.storage.lease_moves import move_leases
from towpath_service.work.storage.resource_store import SqlResourceStore
from towpath_service.work.storage.run_secrets import secrets_of_run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from towpath_service.database.port import Database
    from towpath_service.identity.ports.store import IdentityStore
    from towpath_service.limits.ports.limits import LimitStore
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.values.ports.secrets import SecretStore
    from towpath_service.values.ports.variables import VariableStore
    from towpath_service.work.ports.dispatching import DispatchStore
    from towpath_service.work.ports.resources import ResourceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """A database with the store of each subject on it."""

    database: Database
    runs: RunStore
    identity: IdentityStore
    secrets: SecretStore
    variables: VariableStore
    dispatch: DispatchStore
    work: ResourceStore
    limits: LimitStore


def stores_on(database: Database) -> Stores:
    """The stores of all subjects, each with the reads of other subjects that it needs."""
    runs = SqlRunStore(database, storage_limits, leases=move_leases, supervised=is_leased)
    return Stores(
        database=database,
        runs=runs,
        identity=SqlIdentityStore(
            database,
            contents={
                "runs": has_runs,
                "secrets": has_secrets,
                "variables": has_variables,
                "pools or deployments": has_work,
                "limits": has_limits,
            },
            stored_bytes=stored_bytes,
        ),
        secrets=SqlSecretStore(database, secrets_of_run),
        variables=SqlVariableStore(database),
        dispatch=SqlDispatchStore(database, runs),
        work=SqlResourceStore(database),
        limits=SqlLimitStore(database),
    )


@asynccontextmanager
async def open_stores(location: Path | PostgresUrl) -> AsyncGenerator[Stores]:
    """Opens a database for its stores alone, without a service.

    Args:
        location: A path is SQLite's.

    Raises:
        ServiceError: As `Database.open`.
    """
    database = database_at(location)
    try:
        await database.open()
        yield stores_on(database)
    finally:
        database.close()


def database_at(location: Path | PostgresUrl | None) -> Database:
    """The database at a location, not opened yet; None is one in memory."""
    if isinstance(location, PostgresUrl):
        # Its driver and the asyncio half of SQLAlchemy are of no use to a server on SQLite.
        from towpath_service.database.postgres.database import (  # noqa: PLC0415 - 15 MB
            PostgresDatabase,
        )

        return PostgresDatabase(location)
    return SqliteDatabase(location)


async def has_identity(stores: Stores) -> bool:
    """Whether identity was ever switched on for a database; it can't be switched off."""
    return bool(
        await stores.identity.installation(lambda installation: installation.server_keys.all())
    )
