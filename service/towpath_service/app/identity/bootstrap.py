"""Enables identity for a database, and gives its owners another key.

It imports cryptography, which a service without identity does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.app.identity.wiring import begin_trail
from towpath_service.app.stores import open_stores
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.api_keys import ApiKeys
from towpath_service.identity.application.audit import AuditTrail
from towpath_service.identity.application.authority import Authority
from towpath_service.identity.application.server_keys import ServerKeys
from towpath_service.identity.application.tenants import Tenants
from towpath_service.identity.domain.principals import KEY_LIFE_SECONDS, parse_email

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.core.clock import Clock
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.application.tenants import MadeTenant
    from towpath_service.identity.ports.sealing import Sealer, Sealing
    from towpath_service.identity.ports.store import IdentityStore


async def enable_identity(
    database: Path | PostgresUrl,
    sealing: Sealing,
    owner: str,
    *,
    key_seconds: float | None = KEY_LIFE_SECONDS,
) -> MadeTenant | None:
    """Makes the first tenant and its owner in a database.

    Args:
        database: Where identity is to be enabled.
        sealing: Gives the key that seals the service's own keys; one is made when there is none.
        owner: E-mail address of the owner.
        key_seconds: How long the owner's first key holds; None for ever.

    Returns:
        The tenant with its owner; None when identity was enabled before.

    Raises:
        ServiceError: The database, or the key that seals, can't be used.
    """
    async with open_stores(database) as stores:
        return await make_first_tenant(
            stores.identity, SystemClock(), sealing(make=True), owner, key_seconds=key_seconds
        )


async def make_first_tenant(
    store: IdentityStore, clock: Clock, sealer: Sealer, owner: str, *, key_seconds: float | None
) -> MadeTenant | None:
    """Makes the service's keys, the first tenant, its workspace, its owner and the owner's key.

    Args:
        store: An open store.
        clock: The time.
        sealer: Seals the service's keys.
        owner: E-mail address of the owner.
        key_seconds: How long the first key holds; None for ever.

    Returns:
        The tenant with its owner; None when that was done before.

    Raises:
        ServiceError: As `Tenants.first`.
    """
    parse_email(owner, "owner")
    server_keys = ServerKeys(store, sealer)
    await server_keys.make()
    authority = Authority(store, server_keys, clock)
    await authority.open()
    tenants = _tenants(store, authority, AuditTrail(store, authority), clock)
    return await tenants.first(owner, key_seconds=key_seconds)


async def recover_owner(database: Path | PostgresUrl, sealing: Sealing) -> MadeTenant:
    """Makes another API key for an owner of the first tenant of a database.

    Args:
        database: Where identity is enabled.
        sealing: Gives the key that seals the service's own keys.

    Raises:
        ServiceError: IDENTITY_MISSING, identity was never enabled; or as `enable_identity`.
    """
    async with open_stores(database) as stores:
        return await make_owner_key(stores.identity, SystemClock(), sealing(make=False))


async def make_owner_key(store: IdentityStore, clock: Clock, sealer: Sealer) -> MadeTenant:
    """Makes another API key for an owner of the first tenant.

    Raises:
        ServiceError: IDENTITY_MISSING, identity was never enabled.
    """
    server_keys = ServerKeys(store, sealer)
    authority = Authority(store, server_keys, clock)
    await authority.open()
    trail = await begin_trail(store, authority, server_keys)
    made = await _tenants(store, authority, trail, clock).recover()
    if made is None:
        raise ServiceError(
            reason="IDENTITY_MISSING",
            message="this installation has no owner yet: run `towpath server init-auth`",
        )
    return made


def _tenants(
    store: IdentityStore, authority: Authority, trail: AuditTrail, clock: Clock
) -> Tenants:
    return Tenants(store, authority, trail, ApiKeys(store, authority, trail, clock), clock)
