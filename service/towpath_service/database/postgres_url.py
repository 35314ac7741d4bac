"""The URL of a PostgreSQL database, as users write it; used by the engine and the options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """The address of a database, and its connection options."""

    url: URL
    pooled: bool = False
    """Whether a pooler in transaction mode is in front of it."""
    listen: str = ""
    """host:port of the server behind the pooler, for notices of commits; empty for none."""

    @property
    def display(self) -> str:
        """The URL without its password."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    @property
    def dsn(self) -> str:
        """The URL as asyncpg takes it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def listening_dsn(self) -> str | None:
        """The DSN to listen on, as asyncpg takes it; None behind a pooler without one."""
        if not self.listen:
            return None if self.pooled else self.dsn
        host, _, port = self.listen.rpartition(":")
        url = self.url.set(drivername="postgresql", host=host, port=int(port))
        return url.render_as_string(hide_password=False)

    @property
    def connecting(self) -> dict[str, Any]:
        """Driver arguments that a pooler requires.

        A statement that is prepared on one connection isn't known on another. Statements are
        therefore prepared without a name, for one use.
        """
        if not self.pooled:
            return {}
        return {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": str,
        }


def parse_postgres_url(text: str) -> PostgresUrl:
    """Reads postgresql://user:password@host:port/database.

    The option `pgbouncer=true` means a pooler in transaction mode, and `listen=HOST:PORT` is the
    address of the server behind it. All other options go to the driver.

    Raises:
        ValueError: An option has an invalid value.
    """
    url = make_url(text).set(drivername="postgresql+asyncpg")
    pooled = _option(url, "pgbouncer", "false").lower() in {"true", "1", "yes", "on"}
    listen = _option(url, "listen", "")
    if listen and not re.fullmatch(r".+:\d{1,5}", listen):
        raise ValueError(f"listen={listen} is not host:port")
    url = url.difference_update_query(["pgbouncer", "listen"])
    return PostgresUrl(url=url, pooled=pooled, listen=listen)


def _option(url: URL, name: str, default: str) -> str:
    value = url.query.get(name, default)
    return value if isinstance(value, str) else value[-1]
