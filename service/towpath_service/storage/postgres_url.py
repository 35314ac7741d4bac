"""Where a PostgreSQL database is, as users write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """A database, and how to talk to it."""

    url: URL
    pooled: bool = False
    """Whether a pooler stands before it that gives every transaction another connection."""

    @property
    def display(self) -> str:
        """The URL without its password."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    @property
    def dsn(self) -> str:
        """The URL as asyncpg takes it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)


def parse_postgres_url(text: str) -> PostgresUrl:
    """Reads postgresql://user:password@host:port/database.

    The option `pgbouncer=true` tells of a pooler in transaction mode; all others go to the driver.
    """
    url = make_url(text).set(drivername="postgresql+asyncpg")
    pooled = url.query.get("pgbouncer") in {"true", "1", "yes"}
    return PostgresUrl(url=url.difference_update_query(["pgbouncer"]), pooled=pooled)
