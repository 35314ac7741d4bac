"""Switches identity on, and gets owners back in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.app.identity.secret_keys import sealing_by
from towpath_service.app.stores import has_identity, open_stores
from towpath_service.app.wiring import IdentityWanted
from towpath_service.core.clock import SystemClock
from towpath_service.identity.domain.principals import KEY_LIFE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towpath_service.app.identity.key_sources import KeySource
    from towpath_service.app.stores import Stores
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.server_keys import ServerKeys
    from towpath_service.identity.application.tenants import MadeTenant
    from towpath_service.identity.ports.sealing import Sealer

ROTATE_KEYS: Final = "towpath server rotate-keys"


def identity_wanted(
    home: Path,
    key: KeySource | None,
    *,
    make: bool = False,
    private_issuers: bool = False,
    endless_keys: bool = True,
    public_url: str | None = None,
    behind_proxy: bool = False,
) -> IdentityWanted:
    """How callers are told apart, where they are.

    Args:
        home: The Towpath home.
        key: Where the key comes from that the service's secrets are sealed with; None for the
            usual.
        make: Whether to make its file when there is none.
        private_issuers: Whether issuers that tenants trust may be on private networks.
        endless_keys: Whether a key of the first tenant that never ends is followed by another such.
        public_url: Who makes access tokens; None for the same in every installation.
        behind_proxy: Whether a proxy stands before the ports, and tells where calls come from.
    """

    def opened() -> Sealer:
        from towpath_service.app.identity.sealing import sealer  # noqa: PLC0415 - brings cryptography

        return sealer(home, key, make=make)

    return IdentityWanted(
        sealer=opened,
        private_issuers=private_issuers,
        endless_keys=endless_keys,
        public_url=public_url,
        behind_proxy=behind_proxy,
    )


async def switch_on(
    database: Path | PostgresUrl,
    wanted: IdentityWanted,
    owner: str,
    *,
    key_seconds: float | None = KEY_LIFE_SECONDS,
) -> MadeTenant | None:
    """Makes the first tenant and its owner; None when that was done before.

    Args:
        database: Where they are to be.
        wanted: Has the key that seals the service's own.
        owner: E-mail address of the owner.
        key_seconds: How long the owner's first key holds; None for ever.

    Raises:
        ServiceError: The database, or the key that seals, can't be used.
    """
    from towpath_service.app.identity.wiring import init_identity  # noqa: PLC0415 - brings cryptography

    async with open_stores(database) as stores:
        return await init_identity(
            stores.identity, SystemClock(), wanted.sealer(), owner, key_seconds=key_seconds
        )


async def recover(database: Path | PostgresUrl, wanted: IdentityWanted) -> MadeTenant:
    """Makes another key for an owner; raises as `switch_on`, and when there is no owner."""
    from towpath_service.app.identity.wiring import recover_owner  # noqa: PLC0415 - brings cryptography

    async with open_stores(database) as stores:
        return await recover_owner(stores.identity, SystemClock(), wanted.sealer())


async def rotate_signing(database: Path | PostgresUrl, wanted: IdentityWanted) -> str:
    """Makes the next key that signs tokens, and tells its id; raises as `switch_on`."""
    from towpath_service.app.identity.wiring import system_trail  # noqa: PLC0415 - brings cryptography
    from towpath_service.identity.application.server_keys import ServerKeys  # noqa: PLC0415 - as above

    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, wanted.sealer())
        trail = await system_trail(stores.identity, SystemClock(), keys)
        key_id = await keys.rotate()
        await trail.note_by_system(
            action="serverkey.rotate", command=ROTATE_KEYS, resource=f"serverKeys/signing/{key_id}"
        )
        return key_id


async def rotate_pepper(database: Path | PostgresUrl, wanted: IdentityWanted) -> int:
    """Makes the next pepper of API keys, and tells its version; raises as `switch_on`."""
    from towpath_service.app.identity.wiring import system_trail  # noqa: PLC0415 - brings cryptography
    from towpath_service.identity.application.server_keys import ServerKeys  # noqa: PLC0415 - as above

    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, wanted.sealer())
        trail = await system_trail(stores.identity, SystemClock(), keys)
        version = await keys.rotate_pepper()
        await keys.forget_peppers()
        await trail.note_by_system(
            action="serverkey.rotate", command=ROTATE_KEYS, resource=f"serverKeys/pepper/{version}"
        )
        return version


async def seal_anew(
    database: Path | PostgresUrl, wanted: IdentityWanted, following: IdentityWanted
) -> int:
    """Seals the service's secrets, and all data keys, with another key, and tells how many.

    Raises as `switch_on`.
    """
    from towpath_service.identity.application.server_keys import ServerKeys  # noqa: PLC0415 - as above
    from towpath_service.values.application.data_keys import DataKeyResealer  # noqa: PLC0415 - as above

    async with open_stores(database) as stores:
        keys = ServerKeys(stores.identity, wanted.sealer())
        trail = await _trail(stores, keys)
        count = await keys.seal_anew(following.sealer(), [DataKeyResealer(stores.secrets)])
        if trail is not None:
            await trail.note_by_system(
                action="serverkey.seal", command=ROTATE_KEYS, resource="serverKeys"
            )
        return count


async def rotate_data_keys(
    database: Path | PostgresUrl, wanted: IdentityWanted, told: Callable[[int], None]
) -> int:
    """Seals the values of all tenants' secrets with new data keys, and tells how many.

    Args:
        database: Where they are.
        wanted: Has the key that data keys are sealed with.
        told: Is called with how many are done, again and again.

    Raises:
        ServiceError: As `switch_on`; what was sealed anew until then stays so.
    """
    from towpath_service.identity.application.server_keys import ServerKeys  # noqa: PLC0415 - as above
    from towpath_service.values.application.data_keys import DataKeys  # noqa: PLC0415 - as above

    async with open_stores(database) as stores:
        trail = await _trail(stores, ServerKeys(stores.identity, wanted.sealer()))
        keys = DataKeys(
            stores.secrets, sealing_by(wanted.sealer), SystemClock(), operated_by_callers=False
        )
        done = 0
        for tenant_id in await keys.tenants():
            before = done
            done += await keys.rotate(tenant_id, lambda moved: told(before + moved))  # noqa: B023 - awaited here
        if trail is not None:
            await trail.note_by_system(
                action="datakey.rotate", command=ROTATE_KEYS, resource="dataKeys"
            )
        return done


async def _trail(stores: Stores, keys: ServerKeys) -> AuditTrail | None:
    """The operator's audit log; None where nobody is asked who they are, and there is none."""
    from towpath_service.app.identity.wiring import system_trail  # noqa: PLC0415 - brings cryptography

    if not await has_identity(stores):
        return None
    return await system_trail(stores.identity, SystemClock(), keys)
