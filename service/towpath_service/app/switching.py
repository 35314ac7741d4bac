"""Switches identity on, and gets owners back in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.app.secret_keys import sealing_by
from towpath_service.app.wiring import IdentityWanted, open_store
from towpath_service.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towpath_service.application.tenants import MadeTenant
    from towpath_service.ports.sealing import Sealer
    from towpath_service.storage.postgres_url import PostgresUrl

FIRST_KEY_DAYS: Final = 90.0


def identity_wanted(
    home: Path,
    key_file: Path | None,
    *,
    make: bool = False,
    private_issuers: bool = False,
    public_url: str | None = None,
    behind_proxy: bool = False,
) -> IdentityWanted:
    """How callers are told apart, where they are.

    Args:
        home: The Towpath home.
        key_file: File of the key that the service's secrets are sealed with; None for the usual.
        make: Whether to make that file when there is none.
        private_issuers: Whether issuers that tenants trust may be on private networks.
        public_url: Who makes access tokens; None for the same in every installation.
        behind_proxy: Whether a proxy stands before the ports, and tells where calls come from.
    """

    def opened() -> Sealer:
        from towpath_service.app.sealing import sealer  # noqa: PLC0415 - brings cryptography

        return sealer(home, key_file, make=make)

    return IdentityWanted(
        sealer=opened,
        private_issuers=private_issuers,
        public_url=public_url,
        behind_proxy=behind_proxy,
    )


async def switch_on(
    database: Path | PostgresUrl, wanted: IdentityWanted, owner: str
) -> MadeTenant | None:
    """Makes the first tenant and its owner; None when that was done before.

    Raises:
        ServiceError: The database, or the key that seals, can't be used.
    """
    from towpath_service.app.identity import init_identity  # noqa: PLC0415 - brings cryptography

    async with open_store(database) as store:
        return await init_identity(
            store, SystemClock(), wanted.sealer(), owner, key_days=FIRST_KEY_DAYS
        )


async def recover(database: Path | PostgresUrl, wanted: IdentityWanted) -> MadeTenant:
    """Makes another key for an owner; raises as `switch_on`, and when there is no owner."""
    from towpath_service.app.identity import recover_owner  # noqa: PLC0415 - brings cryptography

    async with open_store(database) as store:
        return await recover_owner(store, SystemClock(), wanted.sealer(), key_days=FIRST_KEY_DAYS)


async def rotate_signing(database: Path | PostgresUrl, wanted: IdentityWanted) -> str:
    """Makes the next key that signs tokens, and tells its id; raises as `switch_on`."""
    from towpath_service.application.server_keys import ServerKeys  # noqa: PLC0415 - as above

    async with open_store(database) as store:
        keys = ServerKeys(store, wanted.sealer())
        await keys.ring()
        return await keys.rotate()


async def seal_anew(
    database: Path | PostgresUrl, wanted: IdentityWanted, following: IdentityWanted
) -> int:
    """Seals the service's secrets, and all data keys, with another key, and tells how many.

    Raises as `switch_on`.
    """
    from towpath_service.application.server_keys import ServerKeys  # noqa: PLC0415 - as above

    async with open_store(database) as store:
        return await ServerKeys(store, wanted.sealer()).seal_anew(following.sealer())


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
    from towpath_service.application.data_keys import DataKeys  # noqa: PLC0415 - as above

    async with open_store(database) as store:
        keys = DataKeys(store, sealing_by(wanted.sealer), SystemClock(), operated_by_callers=False)
        done = 0
        for tenant_id in await keys.tenants():
            before = done
            done += await keys.rotate(tenant_id, lambda moved: told(before + moved))  # noqa: B023 - awaited here
        return done
