"""Whether a server may be reached as it is about to be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from towpath_service.app.settings import is_loopback
from towpath_service.app.stores import has_identity, open_stores
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.database.sql import row_security
from towpath_service.database.upkeep.maintenance import at_database

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.app.settings import ServerSettings

_log = logging.getLogger(__name__)


async def check_exposure(settings: ServerSettings) -> None:
    """Refuses to serve what others could misuse.

    Raises:
        ServiceError: EXPOSED, saying what would do; or the database can't be opened.
    """
    open_to_all = not is_loopback(settings.host) and not settings.insecure
    if not open_to_all and not settings.cloud:
        return
    async with open_stores(settings.database) as stores:
        identity = await has_identity(stores)
    protected = settings.tls is not None or settings.tls_proxy
    if settings.cloud:
        _check_cloud(settings, identity=identity, protected=protected)
        await _check_wall(settings.database)
    if open_to_all and not identity:
        raise _exposed(
            f"--host {settings.host} would let anybody on the network read and change every run,"
            " since this server asks nobody who they are. Keep to 127.0.0.1, switch identity on"
            " with --auth, or say --insecure"
        )
    if open_to_all and not protected:
        raise _exposed(
            f"--host {settings.host} would send keys over the network in plain. Give --tls-cert"
            " and --tls-key, say --behind-tls-proxy if a proxy does TLS, or --insecure"
        )


def warn_of_exposure(settings: ServerSettings, *, identity: bool) -> None:
    """Says in the log, once, what --insecure lets others do.

    Args:
        settings: How the server is reached.
        identity: Whether callers are asked who they are.
    """
    if not settings.insecure or is_loopback(settings.host):
        return
    if not identity:
        _log.warning(
            "--insecure with --host %s: anybody who reaches the ports may read, change and delete"
            " every run and every secret, since nobody is asked who they are. Switch identity on"
            " with --auth and give --tls-cert and --tls-key instead, or keep to 127.0.0.1",
            settings.host,
        )
    elif settings.tls is None and not settings.tls_proxy:
        _log.warning(
            "--insecure with --host %s: keys and tokens go over the network in plain text. Give"
            " --tls-cert and --tls-key instead, or say --behind-tls-proxy if a proxy does TLS",
            settings.host,
        )


def web_hosts(settings: ServerSettings, *, identity: bool) -> list[str] | None:
    """Hosts, beside those of loopback, that requests to the web port may name; None for any.

    A page that had its own name resolve to this machine (DNS rebinding) is kept from a server
    that takes whoever gets through to it for the owner of the machine. Where callers are asked who
    they are it has nothing to tell, since browsers send neither keys nor tokens by themselves.

    Args:
        settings: How the server is reached.
        identity: Whether callers are asked who they are.
    """
    beyond = settings.tls_proxy or not is_loopback(settings.host)
    if settings.insecure or (identity and beyond):
        return None
    return [settings.host]


def _check_cloud(settings: ServerSettings, *, identity: bool, protected: bool) -> None:
    on_postgres = isinstance(settings.database, PostgresUrl)
    missing = [
        what
        for what, there in (
            ("identity (--auth)", identity),
            ("TLS (--tls-cert and --tls-key, or --behind-tls-proxy)", protected),
            ("PostgreSQL (--database postgresql://...)", on_postgres),
            ("no --insecure", not settings.insecure),
        )
        if not there
    ]
    if missing:
        raise _exposed(f"--cloud needs {', '.join(missing)}")


async def _check_wall(database: Path | PostgresUrl) -> None:
    """Refuses a database whose row-level security doesn't hold for this service."""
    missing = await at_database(database, row_security.holes)
    if missing:
        raise _exposed(
            f"--cloud needs the wall between tenants whole, and {missing[0]}: run `towpath server"
            " db upgrade`, or take away what was added to the schema"
        )
    if await at_database(database, row_security.passes_by):
        raise _exposed(
            "--cloud needs a role that row-level security holds for: connect as one that is no"
            " superuser and lacks BYPASSRLS"
        )


def _exposed(message: str) -> ServiceError:
    return ServiceError(reason="EXPOSED", message=message)
