"""Rotation of the service's keys: those that sign tokens, hash API keys and seal secrets.

The command `towpath server rotate-keys` uses it on a database, while servers run. It brings
cryptography, which a service without identity does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.app.identity.wiring import begin_trail
from towpath_service.app.stores import has_identity, open_stores
from towpath_service.core.clock import SystemClock
from towpath_service.identity.application.authority import Authority
from towpath_service.identity.application.server_keys import ServerKeys
from towpath_service.values.application.data_keys import DataKeyResealer, DataKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towpath_service.app.stores import Stores
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.ports.sealing import Sealing

ROTATE_KEYS: Final = "towpath server rotate-keys"


async def rotate_signing_key(database: Path | PostgresUrl, sealing: Sealing) -> str:
    """Makes the next key that signs access tokens.

    Args:
        database: Where the service's keys are.
        sealing: Gives the key that they are sealed with.

    Returns:
        The id of the new key.

    Raises:
        ServiceError: The database, or the key that seals, can't be used; or IDENTITY_MISSING.
    """
    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, sealing(make=False))
        trail = await _operator_trail(stores, keys)
        key_id = await keys.rotate()
        await trail.note_by_system(
            action="serverkey.rotate", command=ROTATE_KEYS, resource=f"serverKeys/signing/{key_id}"
        )
        return key_id


async def rotate_pepper(database: Path | PostgresUrl, sealing: Sealing) -> int:
    """Makes the next pepper of API keys, and removes those that no key needs any more.

    Args:
        database: Where the service's keys are.
        sealing: Gives the key that they are sealed with.

    Returns:
        The version of the new pepper.

    Raises:
        ServiceError: As `rotate_signing_key`.
    """
    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, sealing(make=False))
        trail = await _operator_trail(stores, keys)
        version = await keys.rotate_pepper()
        await keys.forget_peppers()
        await trail.note_by_system(
            action="serverkey.rotate", command=ROTATE_KEYS, resource=f"serverKeys/pepper/{version}"
        )
        return version


async def reseal_keys(database: Path | PostgresUrl, sealing: Sealing, following: Sealing) -> int:
    """Seals the service's keys, and all data keys, with another key.

    Args:
        database: Where the keys are.
        sealing: Gives the key that they are sealed with until now.
        following: Gives the key that seals from now on; one is made when there is none.

    Returns:
        The number of keys that were sealed anew.

    Raises:
        ServiceError: The database, or one of the keys that seal, can't be used.
    """
    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, sealing(make=False))
        trail = await _operator_trail_if_any(stores, keys)
        count = await keys.seal_anew(following(make=True), [DataKeyResealer(stores.secrets)])
        if trail is not None:
            await trail.note_by_system(
                action="serverkey.seal", command=ROTATE_KEYS, resource="serverKeys"
            )
        return count


async def rotate_data_keys(
    database: Path | PostgresUrl, sealing: Sealing, on_progress: Callable[[int], None]
) -> int:
    """Seals the values of all tenants' secrets with new data keys.

    Args:
        database: Where the values are.
        sealing: Gives the key that data keys are sealed with.
        on_progress: Is called repeatedly with the number of values done.

    Returns:
        The number of values that were sealed anew.

    Raises:
        ServiceError: The database, or the key that seals, can't be used; what was sealed anew
            until then stays so.
    """
    async with open_stores(database) as stores:
        trail = await _operator_trail_if_any(
            stores, ServerKeys(stores.identity, sealing(make=False))
        )
        keys = DataKeys(stores.secrets, sealing, SystemClock(), operated_by_callers=False)
        done = 0
        for tenant_id in await keys.tenants():
            before = done
            done += await keys.rotate(tenant_id, lambda moved: on_progress(before + moved))  # noqa: B023 - awaited here
        if trail is not None:
            await trail.note_by_system(
                action="datakey.rotate", command=ROTATE_KEYS, resource="dataKeys"
            )
        return done


async def _operator_trail(stores: Stores, keys: ServerKeys) -> AuditTrail:
    """The audit log of the installation's operator; raises as `Authority.open`."""
    authority = Authority(stores.identity, keys, SystemClock())
    await authority.open()
    return await begin_trail(stores.identity, authority, keys)


async def _operator_trail_if_any(stores: Stores, keys: ServerKeys) -> AuditTrail | None:
    """The same; None for a database without identity, which has no audit log."""
    return await _operator_trail(stores, keys) if await has_identity(stores) else None
