"""Roles that own a database's tables and that row-level security holds for."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def owned_by_no_superuser(dsn: str) -> Generator[str]:
    """Gives a database's tables to a new role, and tells how it connects."""
    role = f"towpath_{uuid4().hex[:8]}"
    asyncio.run(_hand_over(dsn, role))
    scheme, _, rest = dsn.partition("://")
    try:
        yield f"{scheme}://{role}:secret@{rest.partition('@')[2]}"
    finally:
        asyncio.run(_take_back(dsn, role))


async def _hand_over(dsn: str, role: str) -> None:
    connect: Any = asyncpg.connect
    connection = await connect(dsn)
    try:
        await connection.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'secret' NOSUPERUSER NOBYPASSRLS"
        )
        await connection.execute(f"GRANT ALL ON SCHEMA public TO {role}")
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        for (table,) in tables:
            await connection.execute(f"ALTER TABLE {table} OWNER TO {role}")
    finally:
        await connection.close()


async def _take_back(dsn: str, role: str) -> None:
    connect: Any = asyncpg.connect
    connection = await connect(dsn)
    try:
        await connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        await connection.execute(f"DROP OWNED BY {role}")
        await connection.execute(f"DROP ROLE {role}")
    finally:
        await connection.close()
