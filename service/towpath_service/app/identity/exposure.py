"""Checks whether the options of a server would expose it to others on the network."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from towpath_service.app.addresses import is_loopback
from towpath_service.app.stores import has_identity, open_stores
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.database.sql import row_security
from towpath_service.database.upkeep.maintenance import at_database

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.app.options import ServerOptions

_log = logging.getLogger(__name__)


async def check_exposure(options: ServerOptions) -> None:
    """Refuses options that would let others on the network misuse the server.

    Args:
        options: How the server is reached.

    Raises:
        ServiceError: EXPOSED, with the options that would do; or the database can't be opened.
    """
    host = options.listener.host
    open_to_all = not is_loopback(host) and not options.listener.insecure
    if not open_to_all and not options.identity.cloud:
        return
    async with open_stores(options.database) as stores:
        identity = await has_identity(stores)
    if options.identity.cloud:
        _check_cloud(options, identity=identity)
        await _check_row_security(options.database)
    if open_to_all and not identity:
        raise _exposed(
            f"--host {host} would let anybody on the network read and change every run, since"
            " identity is off: listen on 127.0.0.1, switch identity on with --auth, or give"
            " --insecure"
        )
    if open_to_all and not options.over_tls:
        raise _exposed(
            f"--host {host} would send keys over the network in plain text: give --tls-cert and"
            " --tls-key, --behind-tls-proxy if a proxy terminates TLS, or --insecure"
        )


def warn_of_exposure(options: ServerOptions, *, identity: bool) -> None:
    """Logs one warning of what --insecure lets others do.

    Args:
        options: How the server is reached.
        identity: Whether identity is on.
    """
    if not options.listener.insecure or is_loopback(options.listener.host):
        return
    if not identity:
        _log.warning(
            "--insecure with --host %s: anybody who reaches the ports may read, change and delete"
            " every run and every secret, since identity is off. Switch identity on with --auth and"
            " give --tls-cert and --tls-key instead, or listen on 127.0.0.1",
            options.listener.host,
        )
    elif not options.over_tls:
        _log.warning(
            "--insecure with --host %s: keys and tokens go over the network in plain text. Give"
            " --tls-cert and --tls-key instead, or --behind-tls-proxy if a proxy terminates TLS",
            options.listener.host,
        )


def web_hosts(options: ServerOptions, *, identity: bool) -> list[str] | None:
    """Hosts, beside those of loopback, that requests to the web port may name.

    A page may have its own name resolve to this machine (DNS rebinding). A server without identity
    would take its requests for the user's: it refuses their host. With identity such a page gains
    nothing, since browsers send neither keys nor tokens by themselves.

    Args:
        options: How the server is reached.
        identity: Whether identity is on.

    Returns:
        The hosts; None for any.
    """
    beyond = options.identity.behind_tls_proxy or not is_loopback(options.listener.host)
    if options.listener.insecure or (identity and beyond):
        return None
    return [options.listener.host]


def _check_cloud(options: ServerOptions, *, identity: bool) -> None:
    on_postgres = isinstance(options.database, PostgresUrl)
    missing = [
        what
        for what, there in (
            ("identity (--auth)", identity),
            ("TLS (--tls-cert and --tls-key, or --behind-tls-proxy)", options.over_tls),
            ("PostgreSQL (--database postgresql://...)", on_postgres),
            ("no --insecure", not options.listener.insecure),
        )
        if not there
    ]
    if missing:
        raise _exposed(f"--cloud needs {', '.join(missing)}")


async def _check_row_security(database: Path | PostgresUrl) -> None:
    """Refuses a database whose row-level security doesn't hold for this service."""
    missing = await at_database(database, row_security.holes)
    if missing:
        raise _exposed(
            f"--cloud needs row-level security on every table, and {missing[0]}: run `towpath"
            " server db upgrade`, or remove what was added to the schema"
        )
    if await at_database(database, row_security.passes_by):
        raise _exposed(
            "--cloud needs a role that row-level security holds for: connect as a role that is no"
            " superuser and lacks BYPASSRLS"
        )


def _exposed(message: str) -> ServiceError:
    return ServiceError(reason="EXPOSED", message=message)
