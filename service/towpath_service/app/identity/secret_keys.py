"""Finds the key-encryption key of an installation when a secret is first sealed or opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.app.identity.key_sources import KeySource
    from towpath_service.identity.ports.sealing import Sealer, Sealing


def sealing_of(home: Path, key: KeySource | None, *, shared: bool = False) -> Sealing:
    """Seals with a key of the installation: a hook's, the environment's, or a file's.

    Args:
        home: The Towpath home.
        key: Where the key comes from; None for the first of a hook, the environment, and the file
            in the home.
        shared: Whether other servers may work on the same database: they couldn't use a key in
            this home, so none is made.
    """

    def sealing(*, make: bool) -> Sealer:
        from towpath_service.app.identity.sealing import sealer  # noqa: PLC0415 - 10 MB of cryptography, which a server without secrets doesn't need

        try:
            return sealer(home, key, make=make and not shared)
        except ServiceError as error:
            if not (make and shared) or error.reason == "KEY_UNREACHABLE":
                raise
            raise _no_key(error.message) from error

    return sealing


def sealing_in_memory() -> Sealing:
    """Seals with a key that ends with this process, as its database does."""
    made: list[Sealer] = []

    def sealing(*, make: bool) -> Sealer:
        from towpath_service.app.identity.sealing import in_memory  # noqa: PLC0415 - 10 MB of cryptography, which a test without secrets doesn't need

        del make
        if not made:
            made.append(in_memory())
        return made[0]

    return sealing


def without_key(*, make: bool) -> Sealer:
    """Refuses to seal, for a service that was given no key.

    Raises:
        ServiceError: FEATURE_DISABLED, always.
    """
    del make
    raise _no_key("it was given none")


def _no_key(why: str) -> ServiceError:
    return ServiceError(
        reason="FEATURE_DISABLED",
        message=(
            f"this service has no key to seal secrets with ({why}): make one by `openssl rand"
            " -base64 32 > server.key; chmod 600 server.key`, and start every server on this"
            " database with --key-file server.key"
        ),
        metadata={"feature": "secrets"},
    )
